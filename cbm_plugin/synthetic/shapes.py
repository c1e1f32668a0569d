"""Shapes: pictures of objects with known outlines, as image files and COCO annotations.

Six classes of objects, five of them far from convex, are turned, squeezed, textured, lit from one
side, and partly hidden by each other and by things that are no objects, before clutter. The
outline of an object is that of its visible parts: a branch across an object leaves two polygons.
"""
import json
import os
import zlib
from pathlib import Path
from typing import List, Union

import cv2
import numpy as np

from ..progress import Progress
from .folder import make_once
from .scenes import SceneObject, draw_scene
from .shape_classes import SHAPE_CLASSES

# Part of a set's parameters: raise it when the same parameters give other pixels than before.
VERSION = 1

# Objects of the images of a block: each number of 3..6 once, together three of each class.
_BLOCK = (3, 4, 5, 6)
_MIN_SIZE = 96
_JPEG_QUALITY = 95


def make_shapes(root: Union[str, Path],
                split: str,
                num_images: int,
                seed: int,
                size: int = 192) -> Path:
    """Write a set of images with outlines, or find the one written before.

    A set lies in a folder of its own, ``root/<split>_<parameters>``, beside those of other
    parameters. It appears there whole or not at all: it is written elsewhere and then renamed, so
    that an interruption leaves nothing half done, and of two processes that make the same set at
    once the second to finish takes the first one's. Image number ``i`` depends on ``seed``,
    ``split`` and ``i`` alone (and on ``size``), not on ``num_images``.

    Args:
        root: Folder for all sets; made when missing.
        split: Name of the set, e.g. ``'train'``. Sets of different names share no image.
        num_images: Number of images, 3 to 6 objects each. Of every 4 images (from 0, 4, 8, ... on)
            each class has 3 objects.
        seed: A non-negative integer.
        size: Height and width in pixels, 96 or more. Default 192.

    Returns:
        Path of ``annotations.json``: COCO's format, polygons in pixels (pixel i covers i..i+1), no
        crowds, categories 1..6; its ``file_name`` is relative to the folder that holds it.

    Raises:
        ValueError: If a parameter is out of its range.
    """
    if num_images < 1 or seed < 0:
        raise ValueError(f'num_images={num_images} and seed={seed}: '
                         'at least 1 image and a seed of 0 or more are needed')
    if size < _MIN_SIZE:
        raise ValueError(f'size={size} leaves objects of a few pixels: use {_MIN_SIZE} or more')
    if not split or Path(split).name != split:
        raise ValueError(f"split={split!r} cannot name a folder: use a plain word such as 'train'")

    manifest = dict(version=VERSION, split=split, num_images=num_images, seed=seed, size=size)
    name = f'{split}_{num_images}x{size}_seed{seed}_v{VERSION}'
    folder = Path(root) / name
    make_once(folder, manifest, _write_set, _is_complete)
    return folder / 'annotations.json'


def labels_of(split: str, seed: int, index: int) -> List[int]:
    """The classes of an image's objects: each class equally often in every block of 4 images."""
    block, position = divmod(index, len(_BLOCK))
    bag = np.repeat(np.arange(len(SHAPE_CLASSES)), sum(_BLOCK) // len(SHAPE_CLASSES))
    _rng(split, seed, 0, block).shuffle(bag)
    start = sum(_BLOCK[:position])
    return bag[start:start + _BLOCK[position]].tolist()


def _rng(split: str, seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(zlib.crc32(split.encode()), *key)))


def _annotation(number: int, image: int, found: SceneObject) -> dict:
    """COCO's entry of an object."""
    points = np.concatenate(found.parts)
    x, y = points.min(0)
    width, height = points.max(0) - (x, y)
    area = sum(cv2.contourArea(part.astype(np.float32)) for part in found.parts)
    return dict(
        id=number, image_id=image, category_id=found.label + 1, iscrowd=0, area=round(area, 2),
        bbox=[float(v) for v in (x, y, width, height)],
        segmentation=[part.ravel().tolist() for part in found.parts])


def _write_set(folder: Path, manifest: dict) -> None:
    (folder / 'images').mkdir(parents=True)
    split, seed, size = (manifest[key] for key in ('split', 'seed', 'size'))
    progress = Progress(f'images of shapes ({split}) written', manifest['num_images'])
    images, annotations = [], []
    for index in range(manifest['num_images']):
        image, objects = draw_scene(labels_of(split, seed, index), _rng(split, seed, 1, index),
                                    size)
        name = f'images/{index:06d}.jpg'
        encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
        (folder / name).write_bytes(encoded.tobytes())
        images.append(dict(id=index, file_name=name, width=size, height=size))
        for found in objects:
            annotations.append(_annotation(len(annotations) + 1, index, found))
        progress.update(index + 1)
    categories = [dict(id=label + 1, name=name) for label, name in enumerate(SHAPE_CLASSES)]
    coco = dict(info=dict(description='generated shapes', **manifest), images=images,
                annotations=annotations, categories=categories)
    (folder / 'annotations.json').write_text(json.dumps(coco))


def _is_complete(folder: Path, manifest: dict) -> bool:
    return (len(os.listdir(folder / 'images')) == manifest['num_images']
            and (folder / 'annotations.json').is_file())
