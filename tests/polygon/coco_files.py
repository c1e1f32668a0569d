"""Small files in COCO's format, with images."""
import json
from pathlib import Path
from typing import Any, List, Optional

import cv2
import numpy as np

from cbm_plugin.polygon import CocoPolygons

SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]
TRIANGLE = [40, 5, 60, 30, 45, 35]
BOW_TIE = [0, 0, 30, 30, 30, 0, 0, 30]
HEIGHT, WIDTH = 48, 64


def annotation(number: int, segmentation: Any, image: Any = 0, **fields: Any) -> dict:
    polygon = segmentation[0] if isinstance(segmentation, list) and segmentation else [0, 0, 1, 1]
    xs, ys = polygon[::2], polygon[1::2]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)] \
        if all(isinstance(value, (int, float)) for value in polygon) else [0, 0, 9, 9]
    return {**dict(id=number, image_id=image, category_id=7, bbox=box, iscrowd=0,
                   segmentation=segmentation), **fields}


def write_coco(folder: Path, annotations: List[dict], num_images: int = 1,
               skip_image: Optional[int] = None) -> Path:
    """``folder/ann.json`` and ``folder/images/0.png``, ...; image i has the grey value 20 i + 9."""
    (folder / 'images').mkdir(parents=True, exist_ok=True)
    for number in range(num_images):
        if number != skip_image:
            cv2.imwrite(str(folder / 'images' / f'{number}.png'),
                        np.full((HEIGHT, WIDTH, 3), 20 * number + 9, np.uint8))
    content = dict(
        images=[dict(id=number, file_name=f'{number}.png', height=HEIGHT, width=WIDTH)
                for number in range(num_images)],
        categories=[dict(id=7, name='nut'), dict(id=3, name='fig')], annotations=annotations)
    (folder / 'ann.json').write_text(json.dumps(content))
    return folder


def coco(folder: Path, annotations: Optional[List[dict]] = None, num_images: int = 1,
         **options: Any) -> CocoPolygons:
    if annotations is not None:
        write_coco(folder, annotations, num_images)
    return CocoPolygons('ann.json', data_root=str(folder), data_prefix=dict(img='images'),
                        **options)
