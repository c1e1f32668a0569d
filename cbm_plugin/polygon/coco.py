"""Outlines annotated in COCO's format."""
import os
from typing import Any, Dict, List, Optional

import numpy as np

from ..progress import Progress
from ..registry import DATASETS
from .dataset import PolygonDataset, read_json
from .instances import AnnotatedObject, Checked, parts_of_mask

RLE_REMEDY = 'masks as run lengths need pycocotools to be outlined: pip install mmdet pycocotools'


@DATASETS.register_module()
class CocoPolygons(PolygonDataset):
    """Objects of a JSON file in COCO's format, each outlined by polygons.

    Crowds (``iscrowd``) are left out. A mask given as run lengths (RLE) is outlined along its
    pixels' edges. Classes are the file's categories, in its order, or those that
    ``metainfo=dict(classes=(...))`` names.

    Args:
        ann_file: the JSON file.
        data_prefix: ``dict(img=DIR)``: the folder that ``file_name`` starts from.
        options: ``data_root``, ``pipeline``, ``test_mode``, ``metainfo``, ``boxes_from``,
            ``min_area``: see :class:`~cbm_plugin.polygon.dataset.PolygonDataset`.

    Raises:
        ImportError: there are masks as run lengths, and pycocotools is missing.
        ValueError: the file is not in COCO's format, or a class is none of its categories; see
            also :class:`~cbm_plugin.polygon.dataset.PolygonDataset`.
    """

    def __init__(self, ann_file: str, data_prefix: Optional[dict] = None, **options: Any) -> None:
        super().__init__(ann_file=ann_file, data_prefix=data_prefix or dict(img=''), **options)

    def read_objects(self, checked: Checked) -> None:
        """Read the JSON file."""
        content = read_json(self.ann_file)
        lacking = [key for key in ('images', 'annotations', 'categories')
                   if not isinstance(content.get(key), list)]
        if lacking:
            raise ValueError(f"{self.ann_file} is not in COCO's format: it lacks the list "
                             f'{lacking[0]!r}')
        labels = self._labels(content['categories'])
        images = {image['id']: image for image in content['images']}
        progress = Progress('annotations checked', len(content['annotations']))
        for number, annotation in enumerate(content['annotations']):
            annotated = self._annotated(annotation, number, images, labels, checked)
            if annotated is not None:
                checked.add(annotated)
            progress.update(number + 1)

    def _labels(self, categories: List[dict]) -> Dict[Any, int]:
        """Category id -> class; None for a category that is not asked for."""
        known = [category['name'] for category in categories]
        classes = tuple(self._metainfo.get('classes') or known)
        unknown = [name for name in classes if name not in known]
        if unknown:
            raise ValueError(f'{self.ann_file} has no category {unknown[0]!r}: metainfo.classes '
                             f'must be some of {known}')
        self._metainfo['classes'] = classes
        return {category['id']: classes.index(category['name'])
                if category['name'] in classes else None for category in categories}

    def _annotated(self, annotation: dict, number: int, images: Dict[Any, dict],
                   labels: Dict[Any, int], checked: Checked) -> Optional[AnnotatedObject]:
        """None where it is left out."""
        object_id = annotation.get('id', number)
        image = images.get(annotation.get('image_id'))
        name = f'object {object_id}'
        if image is None or annotation.get('category_id') not in labels:
            what = 'image_id' if image is None else 'category_id'
            checked.skipped.append((name, f'{what} is not in the file'))
            return None
        label = labels[annotation['category_id']]
        if label is None:
            return None
        path = os.path.join(self.data_prefix['img'], image['file_name'])
        shape = (image['height'], image['width']) if image.get('height') else None
        if annotation.get('iscrowd'):
            checked.skipped.append((f'{path}, {name}', 'crowd'))
            return None
        polygons = annotation.get('segmentation')
        if isinstance(polygons, dict):
            polygons = _outlined(polygons)
        if not isinstance(polygons, list):
            checked.skipped.append((f'{path}, {name}', 'no polygon'))
            return None
        return AnnotatedObject(path, image['id'], object_id, label, polygons, shape,
                               _corners(annotation.get('bbox')))


def _corners(bbox: Any) -> Any:
    """COCO's ``x y width height`` -> ``x1 y1 x2 y2``; what is no box is left to the check."""
    try:
        x, y, width, height = bbox
        return x, y, x + width, y + height
    except (TypeError, ValueError):
        return bbox


def _outlined(rle: dict) -> Optional[List[np.ndarray]]:
    """Parts of a mask as run lengths, compressed or not; None where it is broken."""
    try:
        from pycocotools import mask as masks
    except ImportError as error:
        raise ImportError(RLE_REMEDY) from error
    try:
        height, width = rle['size']
        if isinstance(rle['counts'], list):
            rle = masks.frPyObjects(rle, height, width)
        return parts_of_mask(masks.decode(rle))
    except (KeyError, TypeError, ValueError):
        return None
