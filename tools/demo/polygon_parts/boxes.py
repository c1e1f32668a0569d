"""Where the boxes come from: the command line, a file in one of four forms, a detector of mmdet."""
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from cbm_plugin.polygon.evaluation.boxes import Detector

FORMS = ('a list of boxes [[x1, y1, x2, y2], ...] for every image, COCO results (image_id, '
         'category_id, bbox, score), COCO annotations, or rectangles of LabelMe')


class Found(NamedTuple):
    """What is in one image.

    Args:
        boxes: x1, y1, x2, y2 each, in pixels.
        labels: their classes, from 0.
        image_id: of the image in the file, where it has one.
    """
    boxes: List[Sequence[float]]
    labels: List[int]
    image_id: Optional[int] = None


class SameBoxes:
    """The same boxes, of one class, for every image."""

    classes: Tuple[str, ...] = ('object',)
    category_ids = None

    def __init__(self, boxes: List[Sequence[float]]) -> None:
        self.boxes = boxes

    def __call__(self, path: str) -> Found:
        return Found(self.boxes, [0] * len(self.boxes))


class CocoBoxes:
    """Annotations or results in COCO's format.

    Args:
        name: of the file.
        entries: with ``image_id``, ``category_id``, ``bbox`` and perhaps ``score``.
        least: entries of a lower score are left out.
        categories: names by id; None where there are none.
        file_names: of the images by id; None where the file has none: an id is then the image's
            name without folder and ending, or its number (139 of ``000000000139.jpg``).
    """

    def __init__(self, name: str, entries: List[dict], least: float,
                 categories: Optional[Dict[int, str]] = None,
                 file_names: Optional[Dict[int, str]] = None) -> None:
        self.name, self.file_names = name, file_names
        self.image_ids = list(dict.fromkeys(entry['image_id'] for entry in entries))
        used = sorted({entry['category_id'] for entry in entries})
        self.category_ids = sorted(categories) if categories else used
        self.classes = tuple(categories[number] if categories else f'category {number}'
                             for number in self.category_ids)
        self.rows = []
        for entry in entries:
            x, y, width, height = (float(value) for value in entry['bbox'])
            if entry.get('score', 1) >= least and not entry.get('iscrowd'):
                self.rows.append((entry['image_id'], (x, y, x + width, y + height),
                                  self.category_ids.index(entry['category_id'])))

    def __call__(self, path: str) -> Found:
        """Raises: ValueError, where the file knows no such image."""
        image_id = self._id_of(path)
        mine = [(box, label) for owner, box, label in self.rows if owner == image_id]
        return Found([box for box, _ in mine], [label for _, label in mine],
                     image_id if isinstance(image_id, int) else None)

    def _id_of(self, path: str) -> Any:
        if self.file_names is not None:
            for image_id, name in self.file_names.items():
                if Path(name).name == Path(path).name:
                    return image_id
            raise ValueError(f'{self.name} names no image {Path(path).name}')
        stem = Path(path).stem
        for image_id in self.image_ids:
            if str(image_id) in (stem, Path(path).name) or (
                    stem.isdigit() and isinstance(image_id, int) and int(stem) == image_id):
                return image_id
        raise ValueError(f'{self.name} has no image_id {stem}, but {self.image_ids[:3]} ...: the '
                         'name of an image must be its id')


class LabelMeBoxes:
    """The rectangles of a LabelMe file, for the image it belongs to."""

    category_ids = None

    def __init__(self, name: str, content: dict) -> None:
        self.name, self.image = name, Path(content['imagePath'].replace('\\', '/')).name
        shapes = [shape for shape in content['shapes'] if shape['shape_type'] == 'rectangle']
        self.classes = tuple(sorted({shape['label'] for shape in shapes})) or ('object',)
        corners = np.array([shape['points'] for shape in shapes], float).reshape(-1, 2, 2)
        self.boxes = np.hstack([corners.min(axis=1), corners.max(axis=1)]).tolist()
        self.labels = [self.classes.index(shape['label']) for shape in shapes]

    def __call__(self, path: str) -> Found:
        """Raises: ValueError, where the file belongs to another image or has no rectangle."""
        if Path(path).name != self.image:
            raise ValueError(f'{self.name} belongs to {self.image}, not to {Path(path).name}')
        if not self.boxes:
            raise ValueError(f'{self.name} has no shape of type rectangle')
        return Found(self.boxes, self.labels)


class DetectedBoxes:
    """What a detector of mmdet finds, with its classes.

    Args:
        config, checkpoint: of the detector.
        least: boxes of a lower score are left out.
        device: where it runs.

    Raises:
        ImportError: mmdet is missing.
        FileNotFoundError: there is no such config or checkpoint.
    """

    category_ids = None

    def __init__(self, config: str, checkpoint: str, least: float, device: str) -> None:
        self.detector, self.least = Detector(config, checkpoint, device), least
        self.classes = self.detector.classes

    def __call__(self, path: str) -> Found:
        boxes = self.detector(path)
        boxes = boxes.chosen(boxes.scores >= self.least)
        return Found(boxes.boxes.tolist(), boxes.labels.tolist())


def read_boxes(path: Path, least: float) -> Any:
    """A source of boxes from a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is in none of the four forms.
    """
    if not path.is_file():
        raise FileNotFoundError(f'there is no file of boxes {path}: give {FORMS}')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        return _source(str(path), content, least)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path} cannot be read as boxes ({type(error).__name__}: {error}): give '
                         f'{FORMS}') from error


def _source(name: str, content: Any, least: float) -> Any:
    if isinstance(content, dict) and 'shapes' in content:
        return LabelMeBoxes(name, content)
    if isinstance(content, dict):
        return CocoBoxes(name, content['annotations'], least,
                         {entry['id']: entry['name'] for entry in content['categories']},
                         {entry['id']: entry['file_name'] for entry in content['images']})
    if content and all(isinstance(entry, dict) for entry in content):
        return CocoBoxes(name, content, least)
    if content and all(len(box) == 4 for box in content):
        return SameBoxes([[float(value) for value in box] for box in content])
    raise ValueError('neither boxes nor entries')
