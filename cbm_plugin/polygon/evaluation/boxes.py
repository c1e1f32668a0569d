"""Boxes to outline, per image: annotated, in a results file of any detector, or by a detector."""
import importlib
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, ContextManager, Dict, Iterable, NamedTuple, Sequence, Tuple, Union

import numpy as np
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from ..data.coco_file import CocoFile, check_entries, read_list
from ..data.instances import box_fault

NEEDS_MMDET = """\
{} needs mmdet, pycocotools and an mmcv with compiled operators ({}):
pip install mmdet pycocotools"""

Row = Tuple[float, float, float, float, int, float]
"""x1, y1, x2, y2, label, score."""


class Boxes(NamedTuple):
    """K boxes of one image.

    Args:
        boxes: ``(K, 4)`` float64: x1, y1, x2, y2 in pixels of the image.
        labels: ``(K,)`` int64: classes, counted from 0 see :attr:`.CocoFile.classes`.
        scores: ``(K,)`` float64.
    """
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    @classmethod
    def of_rows(cls, rows: Iterable[Row]) -> 'Boxes':
        """Of x1, y1, x2, y2, label, score each."""
        table = np.array(list(rows), np.float64).reshape(-1, 6)
        return cls(table[:, :4], table[:, 4].astype(np.int64), table[:, 5])

    def best(self, number: int) -> 'Boxes':
        """The ``number`` of the highest scores, highest first; of equal scores the first."""
        return self.chosen(np.argsort(-self.scores, kind='stable')[:number])

    def chosen(self, which: np.ndarray) -> 'Boxes':
        """Those that an index or a mask names."""
        return Boxes(*(values[which] for values in self))


def annotated_boxes(coco: CocoFile) -> Dict[Any, Boxes]:
    """The boxes of all annotations but crowds (which COCO's metric ignores), with score 1."""
    return _by_image([dict(annotation, score=1.) for annotation in coco.annotations
                      if not annotation['iscrowd']], coco, coco.path)


def read_boxes(path: Union[str, Path], coco: CocoFile) -> Dict[Any, Boxes]:
    """The boxes of a results file of any detector.

    Args:
        path: json: ``[{"image_id", "category_id", "bbox": [x, y, width, height], "score"}, ...]``.
        coco: the annotation file whose images and categories the ids name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: an entry lacks a field, or its image or category is not in ``coco``.
    """
    entries = read_list(path)
    check_entries(entries, ('image_id', 'category_id', 'bbox', 'score'), str(path))
    coco.check_ids(entries, str(path))
    return _by_image(entries, coco, path)


def _by_image(entries: Sequence[dict], coco: CocoFile,
              where: Union[str, Path]) -> Dict[Any, Boxes]:
    """Entries with bbox, category_id and score; what cannot be outlined is left out and counted."""
    shapes = {image['id']: (image['height'], image['width']) for image in coco.images}
    rows: Dict[Any, list] = defaultdict(list)
    faults: Dict[str, int] = Counter()
    for entry in entries:
        x, y, width, height = entry['bbox']
        box = (x, y, x + width, y + height)
        fault = box_fault(box, shapes[entry['image_id']])
        if fault:
            faults[fault] += 1
        else:
            rows[entry['image_id']].append(
                (*box, coco.labels[entry['category_id']], entry['score']))
    for fault, count in faults.items():
        print_log(f'{where}: {count} of {len(entries)} boxes are left out: {fault}',
                  logger='current')
    return {image: Boxes.of_rows(found) for image, found in rows.items()}


class Detector:
    """A detector of mmdet, called on one image file after another.

    Args:
        config: of mmdet.
        checkpoint: its weights.
        device: where it runs. Default ``'cpu'``.

    Attributes:
        classes: its class names: its labels index them.

    Raises:
        ImportError: mmdet is missing.
        FileNotFoundError: there is no such config or checkpoint.
    """

    def __init__(self, config: Union[str, Path], checkpoint: Union[str, Path],
                 device: str = 'cpu') -> None:
        self._apis = mmdet_module('mmdet.apis', 'a detector')
        with self._scope():
            # a palette is given so that the detector's test data are not asked for one
            self._model = self._apis.init_detector(str(config), str(checkpoint), palette='random',
                                                   device=device)
        self.classes: Tuple[str, ...] = tuple(self._model.dataset_meta['classes'])

    def __call__(self, path: str) -> Boxes:
        """What is found in an image file, boxes of no area left out."""
        with self._scope():
            found = self._apis.inference_detector(self._model, os.fspath(path)).pred_instances
        boxes = Boxes(*(values.cpu().numpy() for values in (
            found.bboxes.double(), found.labels, found.scores.double())))
        return boxes.chosen((boxes.boxes[:, 2:] > boxes.boxes[:, :2]).all(1))

    @staticmethod
    def _scope() -> ContextManager:
        """mmdet builds by bare names: its registries answer inside, MMAction2's again after."""
        return DefaultScope.overwrite_default_scope('mmdet')


def class_numbers(names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """For each name its place in ``classes``, -1 where it has none.

    Raises:
        ValueError: none of the names has one.
    """
    numbers = np.array([classes.index(name) if name in classes else -1 for name in names])
    if (numbers < 0).all():
        raise ValueError(f'the detector knows none of the classes {", ".join(classes)}; its own '
                         f'are {", ".join(names)}: take a detector of these classes, or rename '
                         'the categories of the annotation file')
    return numbers


def mmdet_module(name: str, what_for: str) -> Any:
    """A module of mmdet, which is optional.

    Raises:
        ImportError: it cannot be imported; with the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(NEEDS_MMDET.format(what_for, error)) from error
