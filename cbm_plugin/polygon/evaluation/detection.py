"""Boxes of a detector -> outlines -> mask AP, by mmdet's metrics for COCO and for Cityscapes."""
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from ...data_root import inside
from ...progress import Progress
from ..annotation.predictions import ImageOutlines, OutlinePrediction, by_object
from ..data.coco_file import CocoFile
from .boxes import Boxes, mmdet_module

SCORES = ('product', 'box')
CITYSCAPES = """\
Cityscapes' metric needs cityscapesscripts: pip install cityscapesscripts"""

Predictor = Callable[[str, np.ndarray], Sequence[OutlinePrediction]]
"""An image file and its boxes ``(K, 4)`` -> an outline for each box: a ``PolygonInferencer``."""

BoxSource = Callable[[dict, str], Boxes]
"""An image (a dict of the annotation file) and its file -> its boxes."""


def outline_images(predict: Predictor, coco: CocoFile, folder: Path, boxes_of: BoxSource,
                   max_boxes: int = 100, score: str = 'product') -> Iterator[ImageOutlines]:
    """Outline what is in the boxes, image by image.

    Args:
        predict: of outlines.
        coco: whose images.
        folder: that their ``file_name`` starts from.
        boxes_of: of an image.
        max_boxes: of the highest scores in each image. Default 100, as many as COCO counts.
        score: of an object: ``'product'`` (default) of its box's score and its outline's (the mean
            probability of its vertices), so that annotated boxes, all of score 1, are ranked too;
            ``'box'``: the box's alone.

    Raises:
        FileNotFoundError: an image is missing; before the first is outlined.
        ValueError: ``score`` is unknown; an image cannot be read, or its path leads out of the
            folder.
    """
    if score not in SCORES:
        raise ValueError(f"score '{score}' is unknown: use {' or '.join(SCORES)}")
    paths = [_path(coco, folder, image) for image in coco.images]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise FileNotFoundError(f'{len(missing)} of {len(paths)} images do not exist, the first is '
                                f'{missing[0]}: give the folder that file_name starts from')
    return _outline_images(predict, coco, paths, boxes_of, max_boxes, score)


def _path(coco: CocoFile, folder: Path, image: dict) -> str:
    return inside(str(folder), str(image['file_name']), f"{coco.path}, image {image['id']}")


def _outline_images(predict: Predictor, coco: CocoFile, paths: Sequence[str],
                    boxes_of: BoxSource, max_boxes: int, score: str) -> Iterator[ImageOutlines]:
    progress = Progress('images outlined', len(paths))
    for number, (image, path) in enumerate(zip(coco.images, paths)):
        boxes = boxes_of(image, path).best(max_boxes)
        outlines = predict(path, boxes.boxes) if len(boxes.boxes) else ()
        yield ImageOutlines(path, image['height'], image['width'], [
            replace(outline, box=tuple(box), label=int(label), score=float(
                of_box * outline.score if score == 'product' else of_box))
            for outline, box, label, of_box in zip(outlines, *boxes)], image['id'])
        progress.update(number + 1)


def mask_ap(images: Iterable[ImageOutlines], coco: CocoFile,
            cityscapes: Optional[Path] = None) -> Tuple[Dict[str, float], List[dict]]:
    """Mask AP of the outlines in all images of an annotation file.

    Args:
        images: outlined ones; of those that are left out every object counts as missed.
        coco: annotations.
        cityscapes: folder of Cityscapes' images, for its own metric besides: see
            :func:`cityscapes_metric`.

    Returns:
        The values of mmdet's ``CocoMetric`` (``coco/segm_mAP`` ...: without any outline there are
        none) and of its ``CityScapesMetric`` (``cityscapes/mAP``, ``cityscapes/AP@50``), and the
        objects as entries of a COCO results file.

    Raises:
        ImportError: mmdet, pycocotools or cityscapesscripts is missing; before the first image.
    """
    metrics = [(coco_metric(coco), False)]
    if cityscapes is not None:
        metrics.append((cityscapes_metric(coco, cityscapes), True))
    results = []
    for image in images:
        found = coco_results(image, coco.category_ids)
        for metric, decoded in metrics:
            metric.process(None, [mask_sample(image, found, coco.labels, decoded)])
        results += found
    values: Dict[str, float] = {}
    for metric, _ in metrics:
        values.update(metric.evaluate(len(coco.images)))
    return values, results


def coco_results(image: ImageOutlines, category_ids: Sequence[int]) -> List[dict]:
    """The objects of an image as entries of a COCO results file.

    The parts of an object are one entry: masks together, mean score (1 where there is none), and
    the box around the masks.
    The masks are run lengths, drawn as COCO draws its annotations.

    Raises:
        ImportError: pycocotools is missing.
    """
    drawing = mmdet_module('pycocotools.mask', 'mask AP')
    results = []
    for parts in by_object(image.outlines):
        # a flat list of four numbers would be taken for a box: an outline has at least six
        rle = drawing.merge(drawing.frPyObjects(
            [np.asarray(part.polygon, np.float64).ravel().tolist() for part in parts],
            image.height, image.width))
        scores = [1. if part.score is None else part.score for part in parts]
        results.append(dict(
            image_id=image.image_id, category_id=category_ids[parts[0].label],
            bbox=drawing.toBbox(rle).tolist(), score=float(np.mean(scores)),
            segmentation=dict(size=list(rle['size']), counts=rle['counts'].decode())))
    return results


def coco_metric(coco: CocoFile) -> BaseMetric:
    """mmdet's ``CocoMetric`` of mask AP, overall and for each class.

    Raises:
        ImportError: mmdet is missing.
    """
    # pycocotools sorts the categories by id; without sort_categories the metric's values of the
    # classes get each other's names where the file has another order
    metric = mmdet_module('mmdet.evaluation', 'mask AP').CocoMetric(
        ann_file=str(coco.path), metric='segm', classwise=True, sort_categories=True)
    metric.dataset_meta = dict(classes=coco.classes)
    return metric


def cityscapes_metric(coco: CocoFile, folder: Path) -> BaseMetric:
    """mmdet's ``CityScapesMetric``, which draws all masks into a temporary folder.

    Args:
        coco: annotations whose ``file_name`` are those of Cityscapes, ``.._leftImg8bit.png``.
        folder: that these start from, with ``leftImg8bit`` in its name: where it says ``gtFine``
            instead, the ``.._gtFine_instanceIds.png`` lie.

    Raises:
        ImportError: mmdet or cityscapesscripts is missing.
        FileNotFoundError: an annotation image is.
        ValueError: a class is none of the instance classes of Cityscapes.
    """
    module = mmdet_module('mmdet.evaluation.metrics.cityscapes_metric', "Cityscapes' metric")
    if not module.HAS_CITYSCAPESAPI:
        raise ImportError(CITYSCAPES)
    known = [label.name for label in module.CSLabels.labels
             if label.hasInstances and not label.ignoreInEval]
    other = [name for name in coco.classes if name not in known]
    if other:
        raise ValueError(f"class '{other[0]}' of {coco.path} is none of Cityscapes' instance "
                         f'classes: {", ".join(known)}')
    for image in coco.images:
        path = _path(coco, folder, image)
        truth = path.replace('leftImg8bit.png', 'gtFine_instanceIds.png').replace(
            'leftImg8bit', 'gtFine')  # as the metric does
        if truth == path or not os.path.isfile(truth):
            raise FileNotFoundError(
                f'there is no annotation image for {path}: Cityscapes keeps '
                '.../leftImg8bit/.._leftImg8bit.png and .../gtFine/.._gtFine_instanceIds.png')
    metric = module.CityScapesMetric(outfile_prefix=None, seg_prefix=str(folder))
    metric.dataset_meta = dict(classes=coco.classes)
    return metric


def mask_sample(image: ImageOutlines, results: Sequence[dict], labels: Dict[Any, int],
                decoded: bool = False) -> dict:
    """The objects of an image as the data sample that mmdet's metrics read.

    Args:
        image: of the results.
        results: of :func:`coco_results`.
        labels: classes by category id.
        decoded: masks as a tensor ``(K, H, W)``, for Cityscapes. Default False: as run lengths.
    """
    table = np.array([result['bbox'] for result in results], np.float64).reshape(-1, 4)
    table[:, 2:] += table[:, :2]
    masks: Any = [result['segmentation'] for result in results]
    if decoded:
        drawing = mmdet_module('pycocotools.mask', 'mask AP')
        masks = torch.zeros(len(results), image.height, image.width, dtype=torch.uint8)
        for number, result in enumerate(results):
            masks[number] = torch.from_numpy(drawing.decode(result['segmentation']))
    return dict(
        img_id=image.image_id, img_path=image.img_path, ori_shape=(image.height, image.width),
        pred_instances=dict(
            bboxes=torch.from_numpy(table), masks=masks,
            scores=torch.tensor([result['score'] for result in results], dtype=torch.float64),
            labels=torch.tensor([labels[result['category_id']] for result in results],
                                dtype=torch.int64)))
