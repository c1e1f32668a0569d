"""Outlines annotated in COCO's format."""
from typing import Any, Dict, List, Optional, Tuple

from ...data_root import inside
from ...progress import Progress
from ...registry import DATASETS
from .dataset import PolygonDataset, read_json
from .instances import AnnotatedObject, Checked, parts_of_mask

RLE_REMEDY = 'masks as run lengths need pycocotools to be outlined: pip install mmdet pycocotools'
UNKNOWN = object()


@DATASETS.register_module()
class CocoPolygons(PolygonDataset):
    """Objects of a JSON file in COCO's format, each outlined by polygons.

    Crowds (``iscrowd``) are left out. A mask given as run lengths (RLE) is outlined along its
    pixels' edges. Classes are the file's categories by id, as COCO's metric has them, or those that
    ``metainfo=dict(classes=(...))`` names.

    Args:
        ann_file: the JSON file.
        data_prefix: ``dict(img=DIR)``: the folder that ``file_name`` starts from.
        options: ``data_root``, ``pipeline``, ``test_mode``, ``metainfo``, ``boxes_from``,
            ``min_area``: see :class:`~cbm_plugin.polygon.data.dataset.PolygonDataset`.

    Raises:
        ImportError: there are masks as run lengths, and pycocotools is missing.
        ValueError: the file is not in COCO's format, an image's path leads out of ``data_prefix``,
            or a class is none of its categories; see also
            :class:`~cbm_plugin.polygon.data.dataset.PolygonDataset`.
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
        images = {image['id']: image for image in content['images']
                  if isinstance(image, dict) and {'id', 'file_name'} <= set(image)}
        progress = Progress('annotations checked', len(content['annotations']))
        for number, annotation in enumerate(content['annotations'], start=1):
            name = f'annotation {annotation.get("id", number)}'
            image = images.get(annotation.get('image_id'))
            label = labels.get(annotation.get('category_id'), UNKNOWN)
            if image is None:
                checked.skipped.append((name, 'its image_id is not in the file'))
            elif label is UNKNOWN:
                checked.skipped.append((name, 'its category_id is not in the file'))
            elif label is not None:
                self._add(annotation, annotation.get('id', number), image, label, checked)
            progress.update(number)

    def _labels(self, categories: List[dict]) -> Dict[Any, int]:
        """Category id -> class; None for a category that is not asked for."""
        try:
            known = [category['name'] for category in
                     sorted(categories, key=lambda category: category['id'])]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{self.ann_file} is not in COCO's format: a category lacks "
                             f'{error}') from error
        classes = tuple(self._metainfo.get('classes') or known)
        unknown = [name for name in classes if name not in known]
        if unknown:
            raise ValueError(f'{self.ann_file} has no category {unknown[0]!r}: metainfo.classes '
                             f'must be some of {known}')
        self._metainfo['classes'] = classes
        return {category['id']: classes.index(category['name'])
                if category['name'] in classes else None for category in categories}

    def _add(self, annotation: dict, object_id: Any, image: dict, label: int,
             checked: Checked) -> None:
        shape = (image['height'], image['width']) if image.get('height') else None
        path = inside(self.data_prefix['img'], str(image['file_name']),
                      f"{self.ann_file}, image {image['id']}")
        annotated = AnnotatedObject(path, image['id'], object_id, label, [], shape,
                                    _corners(annotation.get('bbox')))
        if annotation.get('iscrowd'):
            checked.skipped.append((annotated.name, 'crowd'))
            return
        try:
            annotated.polygons = _polygons(annotation.get('segmentation'), shape)
        except ValueError as error:
            checked.skipped.append((annotated.name, str(error)))
        else:
            checked.add(annotated)


def _corners(bbox: Any) -> Any:
    """COCO's ``x y width height`` -> ``x1 y1 x2 y2``; what is no box is left to the check."""
    try:
        x, y, width, height = bbox
        return x, y, x + width, y + height
    except (TypeError, ValueError):
        return bbox


def _polygons(segmentation: Any, shape: Optional[Tuple[int, int]]) -> list:
    """Parts of an annotation, unchecked; those of a mask along its pixels' edges.

    Raises:
        ValueError: there are none.
    """
    if isinstance(segmentation, list):
        return segmentation
    if not isinstance(segmentation, dict):
        raise ValueError('no polygon')
    try:
        from pycocotools import mask as masks
    except ImportError as error:
        raise ImportError(RLE_REMEDY) from error
    try:
        height, width = segmentation['size']
        if shape not in (None, (height, width)):
            raise ValueError('mask of another size than the image')
        if isinstance(segmentation['counts'], list):
            if sum(segmentation['counts']) != height * width:
                raise ValueError('broken mask of run lengths')
            segmentation = masks.frPyObjects(segmentation, height, width)
        return parts_of_mask(masks.decode(segmentation))
    except (KeyError, TypeError) as error:
        raise ValueError('broken mask of run lengths') from error
