"""Outlines of Cityscapes' fine annotations."""
import os
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from ...progress import Progress
from ...registry import DATASETS
from ..geometry.outline import rasterised
from .dataset import PolygonDataset, read_json
from .instances import AnnotatedObject, Checked, bounds, parts_of_mask, valid_polygon

CLASSES = ('person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')
"""The 8 classes of which Cityscapes annotates instances, in its order."""

NOT_DRAWN = ('license plate',)
"""What Cityscapes' own scripts leave out when they draw label images."""


@DATASETS.register_module()
class CityscapesPolygons(PolygonDataset):
    """Instances of the 8 classes of Cityscapes: ``gtFine/SPLIT/CITY/*_gtFine_polygons.json``.

    In a file, later objects lie over earlier ones. Groups (``'cargroup'``) are left out; what they
    cover is hidden all the same.

    Published results on Polygon-RNN take Cityscapes' ``val`` for testing and some cities of
    ``train`` for validation: name these by ``cities``.

    Args:
        data_root: folder of ``gtFine`` and ``leftImg8bit``.
        split: folder in both, ``'train'`` (default) or ``'val'``.
        cities: folders in it. Default None: all.
        visible: outlines of what no later object covers, one for each visible part (default);
            False: the polygons as annotated. An object that nothing covers keeps its polygon.
        options: ``pipeline``, ``test_mode``, ``boxes_from``, ``min_area``: see
            :class:`~cbm_plugin.polygon.data.dataset.PolygonDataset`.

    Raises:
        FileNotFoundError: a folder is missing, or has no annotations.
        ValueError: see :class:`~cbm_plugin.polygon.data.dataset.PolygonDataset`.
    """

    METAINFO = dict(classes=CLASSES)

    def __init__(self, data_root: str, split: str = 'train',
                 cities: Optional[Sequence[str]] = None, visible: bool = True,
                 **options: Any) -> None:
        self.split, self.cities, self.visible = split, cities, visible
        super().__init__(data_root=data_root, data_prefix={}, **options)

    @property
    def source(self) -> str:
        """The folder of annotations."""
        return os.path.join(self.data_root, 'gtFine', self.split)

    def read_objects(self, checked: Checked) -> None:
        """Read all files of the cities. One that cannot be read is left out."""
        files = self._files()
        progress = Progress('annotation files checked', len(files))
        for number, file in enumerate(files, start=1):
            try:
                objects = _objects(read_json(str(file)))
            except ValueError as error:
                checked.skipped.append((str(file), f'unreadable: {error}'))
                continue
            for annotated in self._annotated(file, *objects, checked):
                checked.add(annotated)
            progress.update(number)

    def _files(self) -> List[Path]:
        root = Path(self.source)
        folders = [root / city for city in self.cities or ()] or sorted(root.glob('*'))
        lacking = [folder for folder in folders if not folder.is_dir()]
        if lacking:
            raise FileNotFoundError(f'{lacking[0]} does not exist: set data_root, split and cities')
        files = [file for folder in folders
                 for file in sorted(folder.glob('*_gtFine_polygons.json'))]
        if not files:
            raise FileNotFoundError(f'{root} has no CITY/*_gtFine_polygons.json: data_root must be '
                                    'the folder of gtFine and leftImg8bit')
        return files

    def _annotated(self, file: Path, shape: Tuple[int, int], labels: List[str],
                   polygons: List[Any], checked: Checked) -> List[AnnotatedObject]:
        frame = file.name.replace('_gtFine_polygons.json', '')
        path = os.path.join(self.data_root, 'leftImg8bit', self.split, file.parent.name,
                            f'{frame}_leftImg8bit.png')
        found = []
        for number, (label, polygon) in enumerate(zip(labels, polygons)):
            if label in CLASSES:
                found.append(AnnotatedObject(path, frame, f'{frame}_{number}',
                                             CLASSES.index(label), [polygon], shape))
            elif label.endswith('group'):
                checked.skipped.append((f'{path}, object {frame}_{number}', f'group: {label}'))
        if self.visible:
            numbers = [number for number, label in enumerate(labels) if label in CLASSES]
            drawn = [polygon if label not in NOT_DRAWN else None
                     for label, polygon in zip(labels, polygons)]
            for annotated, parts in zip(found, visible_parts(drawn, numbers, shape)):
                annotated.polygons = parts
        return found


def visible_parts(polygons: Sequence[Any], numbers: Sequence[int],
                  shape: Tuple[int, int]) -> List[list]:
    """What later polygons leave visible of some polygons.

    Args:
        polygons: of all objects of an image; each lies over those before it. None, and what is no
            valid polygon, covers nothing.
        numbers: the objects that are asked for.
        shape: height and width of the image.

    Returns:
        For each number, the outlines of its visible parts: none where it is hidden, the polygon
        itself where nothing covers it, or where it is not valid.
    """
    top = np.full(shape, -1, np.int32)
    areas = {}
    for number, polygon in enumerate(polygons):
        areas[number] = _painted(top, polygon, number)
    parts = []
    for number in numbers:
        if areas[number] is None:
            parts.append([polygons[number]])
            continue
        rows, columns, area = areas[number]
        mask = top[rows, columns] == number
        whole = np.count_nonzero(mask) == area
        parts.append([polygons[number]] if whole
                     else parts_of_mask(mask, (columns.start, rows.start)))
    return parts


def _painted(top: np.ndarray, polygon: Any, number: int) -> Optional[Tuple[slice, slice, int]]:
    """Paint a polygon; where it lies and how many pixels it covers, None if it is not valid."""
    try:
        polygon, _ = valid_polygon(polygon, top.shape)
    except (TypeError, ValueError):
        return None
    x1, y1, x2, y2 = bounds([polygon])
    rows = slice(max(0, int(y1)), min(top.shape[0], int(np.ceil(y2))))
    columns = slice(max(0, int(x1)), min(top.shape[1], int(np.ceil(x2))))
    inside = rasterised([polygon - np.float32((columns.start, rows.start))],
                        rows.stop - rows.start, columns.stop - columns.start) > 0
    top[rows, columns][inside] = number
    return rows, columns, int(np.count_nonzero(inside))


def _objects(content: dict) -> Tuple[Tuple[int, int], List[str], List[Any]]:
    """Image's height and width, labels and polygons of a file, without deleted objects.

    Raises:
        ValueError: an entry is missing.
    """
    try:
        shape = (int(content['imgHeight']), int(content['imgWidth']))
        objects = [entry for entry in content['objects'] if not entry.get('deleted')]
        return shape, [entry['label'] for entry in objects], [entry['polygon'] for entry in objects]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f'it lacks {error}') from error
