"""Two pictures and their annotations in COCO's format, with everything about ids that trips."""
import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cv2
import numpy as np

CATEGORIES = [dict(id=7, name='disc'), dict(id=3, name='bar')]  # neither from 1 nor in order
SIZE = (80, 100)  # height, width


def disc(x: float, y: float, radius: float) -> List[float]:
    angles = np.arange(12) * np.pi / 6
    return (np.stack([np.cos(angles), np.sin(angles)], 1) * radius + (x, y)).ravel().tolist()


def bar(x1: float, y1: float, x2: float, y2: float) -> List[float]:
    return [x1, y1, x2, y1, x2, y2, x1, y2]


OBJECTS: List[Tuple[int, int, List[List[float]]]] = [
    (0, 7, [disc(20.25, 22.5, 12)]),
    (0, 7, [disc(70, 30, 15.5)]),
    (0, 3, [bar(5, 50, 40, 60.5), bar(60, 50, 95, 60.5)]),  # one object in two parts
    (5, 3, [bar(10, 10, 30, 70)]),
]
"""Image, category, parts. Image 0 is the first id, and there is no image 1."""


def annotation(number: int, image: int, category: int, parts: List[List[float]]) -> dict:
    points = np.concatenate([np.reshape(part, (-1, 2)) for part in parts])
    (x1, y1), (x2, y2) = points.min(0).tolist(), points.max(0).tolist()
    return dict(id=number, image_id=image, category_id=category, segmentation=parts, iscrowd=0,
                bbox=[x1, y1, x2 - x1, y2 - y1],
                area=sum(float(cv2.contourArea(np.reshape(part, (-1, 1, 2)).astype('f4')))
                         for part in parts))


def content() -> Dict[str, Any]:
    """Of the annotation file."""
    crowd = dict(annotation(99, 5, 7, [bar(50, 0, 100, 80)]), iscrowd=1, segmentation=dict(
        size=list(SIZE), counts=[50 * SIZE[0], 50 * SIZE[0]]))
    return dict(
        images=[dict(id=image, file_name=f'{image}.png', height=SIZE[0], width=SIZE[1])
                for image in (0, 5)],
        categories=CATEGORIES,
        annotations=[annotation(number, *entry)
                     for number, entry in enumerate(OBJECTS, start=1)] + [crowd])


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def make(folder: Path) -> Path:
    """Pictures and annotation file; the file's path."""
    for image in (0, 5):
        noise = np.random.default_rng(image).integers(0, 256, (*SIZE, 3), np.uint8)
        cv2.imwrite(str(folder / f'{image}.png'), noise)
    return write(folder / 'annotations.json', content())
