"""A checked annotation file in COCO's format, as its metric wants it."""
import json
from pathlib import Path
from typing import Any, List, Sequence, Union

import numpy as np

FIELDS = dict(images=('id', 'file_name', 'height', 'width'), categories=('id', 'name'),
              annotations=('image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'segmentation'))


class CocoFile:
    """Images, classes and annotations of a file.

    Args:
        path: of the json file.

    Attributes:
        images: dicts of at least ``id, file_name, height, width``.
        annotations: dicts, as they stand.
        classes: names, in the order of their ids (as COCO's evaluation has them).
        category_ids: likewise; COCO's start at 1 and have gaps.
        labels: class counted from 0, by category id.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no json, lacks one of the three lists, or an entry lacks a field or names
            an image or category that is not there. The file and the entry are named.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        content = read_json(path)
        for name, fields in FIELDS.items():
            if not isinstance(content, dict) or not isinstance(content.get(name), list):
                raise ValueError(f"{path} has no list '{name}': it must be an annotation file in "
                                 "COCO's format")
            check_entries(content[name], fields, f'{path}, {name}')
        self.images: List[dict] = content['images']
        self.annotations: List[dict] = content['annotations']
        categories = sorted(content['categories'], key=lambda category: category['id'])
        self.classes = tuple(category['name'] for category in categories)
        self.category_ids = [category['id'] for category in categories]
        self.labels = {number: label for label, number in enumerate(self.category_ids)}
        self.check_ids(self.annotations, f'{path}, annotations')

    def check_ids(self, entries: Sequence[dict], where: str) -> None:
        """See that the images and categories of annotations or results are those of the file."""
        images = {image['id'] for image in self.images}
        for number, entry in enumerate(entries):
            for name, known in (('image_id', images), ('category_id', self.labels)):
                if entry[name] not in known:
                    raise ValueError(f'{where}, entry {number} (from 0): {name} {entry[name]!r} '
                                     f'is not in {self.path}, but must be an id of that file')


def check_entries(entries: Sequence[dict], fields: Sequence[str], where: str) -> None:
    """See that every entry of a list is a dict with these fields, and bbox and score numbers."""
    for number, entry in enumerate(entries):
        lacks = [name for name in fields if not isinstance(entry, dict) or name not in entry]
        if lacks:
            raise ValueError(f'{where}, entry {number} (from 0) lacks {", ".join(lacks)}')
        for name, length in (('bbox', 4), ('score', 1)):
            if name in fields and not _are_numbers(entry[name], length):
                raise ValueError(f'{where}, entry {number} (from 0): {name} is {entry[name]}, but '
                                 + ('must be x, y, width, height' if length == 4
                                    else 'must be a number'))


def _are_numbers(value: Any, length: int) -> bool:
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError):
        return False
    return numbers.shape == (length,) and bool(np.isfinite(numbers).all())


def read_json(path: Union[str, Path]) -> Any:
    """The content of a json file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no json.
    """
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise FileNotFoundError(f'there is no file {path}') from None
    except ValueError as error:
        raise ValueError(f'{path} is no json file: {error}') from error


def read_list(path: Union[str, Path]) -> List[dict]:
    """The list in a json file of results. Raises: see :func:`read_json`, or it is no list."""
    entries = read_json(path)
    if not isinstance(entries, list):
        raise ValueError(f"{path} is no results file in COCO's format: it must be one list of "
                         'image_id, category_id, bbox, score')
    return entries
