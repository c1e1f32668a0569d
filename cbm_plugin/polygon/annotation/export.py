"""Outlines as files that other tools read: COCO, Cityscapes, LabelMe.

Coordinates are written in hundredths of a pixel, as COCO's are. Every file is written whole or not
at all, and nothing is written where an outline is no polygon.
"""
import json
import os
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence

import numpy as np

from ...files import write_text
from ..geometry.outline import signed_area
from .predictions import ImageOutlines, OutlinePrediction, by_object

FORMATS = ('coco', 'cityscapes', 'labelme')
LABELME_VERSION = '5.5.0'
"""Stands in its files; tried with LabelMe 6.3.1, which reads them."""


def export(images: Sequence[ImageOutlines], folder: Path, classes: Sequence[str], kind: str,
           category_ids: Optional[Sequence[int]] = None) -> List[Path]:
    """Write the outlines of some images in one of three formats.

    ============== ===================================================================
    ``coco``       one ``outlines_coco.json`` for all images
    ``cityscapes`` ``X_gtFine_polygons.json`` for each ``X_leftImg8bit.png`` or ``X.*``
    ``labelme``    ``X.json`` for each ``X.*``
    ============== ===================================================================

    Args:
        images: with their outlines.
        folder: made where it is missing.
        classes: names by label.
        kind: ``'coco'``, ``'cityscapes'`` or ``'labelme'``.
        category_ids: see :func:`coco_dict`.

    Returns:
        The files.

    Raises:
        ValueError: the kind is unknown, two images have one file, or an outline is no polygon;
            nothing is written then.
    """
    if kind not in FORMATS:
        raise ValueError(f"the format '{kind}' is unknown: use {', '.join(FORMATS)}")
    if kind == 'coco':
        contents = {folder / 'outlines_coco.json': coco_dict(images, classes, category_ids)}
    else:
        contents = {}
        for image in images:
            path = folder / file_name(image.img_path, kind)
            if path in contents:
                raise ValueError(f'two images have the file {path}: give images of one name '
                                 'folders of their own')
            contents[path] = (cityscapes_dict(image, classes) if kind == 'cityscapes'
                              else labelme_dict(image, classes, folder))
    for path, content in contents.items():
        write_json(path, content)
    return list(contents)


def file_name(img_path: str, kind: str) -> str:
    """Of the file of one image, in a format that has one for each."""
    stem = Path(img_path).stem
    if kind == 'labelme':
        return f'{stem}.json'
    ending = '_leftImg8bit'
    return f'{stem[:-len(ending)] if stem.endswith(ending) else stem}_gtFine_polygons.json'


def write_json(path: Path, content: dict) -> None:
    """A dict as a JSON file in UTF-8, whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, allow_nan=False))


# --- the formats


def coco_dict(images: Sequence[ImageOutlines], classes: Sequence[str],
              category_ids: Optional[Sequence[int]] = None) -> dict:
    """A COCO data set: ``images``, ``annotations`` and ``categories``.

    Its ``annotations`` alone are also a COCO results file. An object of several parts is one
    annotation with several polygons and the mean of their scores. ``bbox`` and ``area`` are those
    of the outline. File names are relative to the folder that all images have in common.

    Args:
        images: with their outlines.
        classes: names by label.
        category_ids: by label. Default None: counted from 1, as COCO's first ones are.

    Raises:
        ValueError: an outline is no polygon, or two images have one id; the message names it.
    """
    ids = list(category_ids) if category_ids is not None else list(range(1, len(classes) + 1))
    if len(ids) != len(classes) or len(set(ids)) != len(ids):
        raise ValueError(f'category_ids {ids} must be as many different numbers as there are '
                         f'classes, {len(classes)}')
    image_ids = [number if image.image_id is None else image.image_id
                 for number, image in enumerate(images, start=1)]
    if len(set(image_ids)) != len(image_ids):
        raise ValueError(f'images must have different ids, got {image_ids}')
    root = _common_folder(images)
    annotations: List[dict] = []
    for image, image_id in zip(images, image_ids):
        check_outlines(image, classes)
        for parts in by_object(image.outlines):
            annotations.append(dict(id=len(annotations) + 1, image_id=image_id,
                                    category_id=ids[parts[0].label], **_coco_object(parts)))
    return dict(
        images=[dict(id=image_id, file_name=_relative(image.img_path, root), height=image.height,
                     width=image.width) for image, image_id in zip(images, image_ids)],
        annotations=annotations,
        categories=[dict(id=number, name=name, supercategory='')
                    for number, name in zip(ids, classes)])


def cityscapes_dict(image: ImageOutlines, classes: Sequence[str]) -> dict:
    """Cityscapes' ``gtFine_polygons``: what comes later lies in front.

    The format knows neither scores nor objects of several parts: each part is an object there.
    Outlines are written by rising score, so that where two overlap the surer one is seen.

    Raises:
        ValueError: an outline is no polygon; the message names it.
    """
    check_outlines(image, classes)
    ordered = sorted(image.outlines, key=lambda outline: outline.score or 0)
    return dict(imgHeight=image.height, imgWidth=image.width,
                objects=[dict(label=classes[outline.label], polygon=_points(outline))
                         for outline in ordered])


def labelme_dict(image: ImageOutlines, classes: Sequence[str], folder: Path) -> dict:
    """LabelMe's file of one image, which it opens for correction.

    Parts of an object share a ``group_id``; the score stands in ``description``. The image is found
    by its path relative to ``folder``, where the file will be.

    Raises:
        ValueError: an outline is no polygon; the message names it.
    """
    check_outlines(image, classes)
    return dict(
        version=LABELME_VERSION, flags={}, shapes=_shapes(image, classes),
        imagePath=_relative(image.img_path, folder), imageData=None,
        imageHeight=image.height, imageWidth=image.width)


# --- checks and parts


def check_outlines(image: ImageOutlines, classes: Sequence[str]) -> None:
    """See that all outlines of an image can be written.

    Raises:
        ValueError: one has fewer than 3 vertices, no area, coordinates that are not finite, a label
            without a class, or a score outside 0 to 1; or parts of an object differ in class.
    """
    if image.height < 1 or image.width < 1:
        raise ValueError(f'{image.img_path} has a size of {image.width} x {image.height} pixels')
    for number, outline in enumerate(image.outlines):
        fault = _fault(outline, len(classes))
        if fault:
            raise ValueError(f'{image.img_path}, outline {number}: {fault}')
    for parts in by_object(image.outlines):
        if len({part.label for part in parts}) > 1:
            raise ValueError(f'{image.img_path}, object {parts[0].object_id}: its parts have the '
                             f'labels {[part.label for part in parts]}, but an object has one')


def _fault(outline: OutlinePrediction, classes: int) -> str:
    polygon = np.asarray(outline.polygon, dtype=np.float64)
    if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3:
        return f'a polygon is (n, 2) with n of at least 3, got {polygon.shape}'
    if not np.isfinite(polygon).all():
        return 'a coordinate is not finite'
    if signed_area(polygon.round(2)) == 0:
        return 'the polygon has no area'
    if not 0 <= outline.label < classes:
        return f'label {outline.label} has no name: there are {classes} classes'
    if outline.score is not None and not 0 <= outline.score <= 1:
        return f'score {outline.score} is not in 0 to 1'
    return ''


def _coco_object(parts: Sequence[OutlinePrediction]) -> Dict[str, object]:
    polygons = [np.array(_points(part)) for part in parts]
    corners = np.concatenate(polygons)
    low, size = corners.min(axis=0), np.ptp(corners, axis=0)
    scores = [part.score for part in parts if part.score is not None]
    return dict(
        segmentation=[polygon.ravel().tolist() for polygon in polygons],
        bbox=[*low.tolist(), *size.round(2).tolist()],
        area=round(sum(abs(signed_area(polygon)) for polygon in polygons), 4), iscrowd=0,
        **(dict(score=float(np.mean(scores))) if scores else {}))


def _shapes(image: ImageOutlines, classes: Sequence[str]) -> List[dict]:
    groups = {id(part): number for number, parts in enumerate(_several(image), start=1)
              for part in parts}
    return [dict(label=classes[outline.label], points=_points(outline),
                 group_id=groups.get(id(outline)),
                 description='' if outline.score is None else f'score {outline.score:.4f}',
                 shape_type='polygon', flags={}) for outline in image.outlines]


def _several(image: ImageOutlines) -> Iterator[List[OutlinePrediction]]:
    """Objects of more than one part."""
    return (parts for parts in by_object(image.outlines) if len(parts) > 1)


def _points(outline: OutlinePrediction) -> List[List[float]]:
    return np.asarray(outline.polygon, dtype=np.float64).round(2).tolist()


def _common_folder(images: Sequence[ImageOutlines]) -> Path:
    folders = [os.path.dirname(os.path.abspath(image.img_path)) for image in images]
    return Path(os.path.commonpath(folders)) if folders else Path()


def _relative(img_path: str, folder: Path) -> str:
    return Path(os.path.relpath(img_path, folder)).as_posix()
