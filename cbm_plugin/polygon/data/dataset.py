"""Data sets of outlines: annotations are checked when loaded, images when read."""
import json
import os
from abc import abstractmethod
from collections import defaultdict
from typing import Any, Dict, List, Sequence

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ...engine.sample_faults import SurvivingSamples, short, some_names
from .instances import BOXES_FROM, Checked, Named


class PolygonDataset(SurvivingSamples, BaseDataset):
    """What the data sets of outlines share; each says how its files are read: :meth:`read_objects`.

    What is wrong with an annotation is found when it is loaded: the object or part is left out,
    and :attr:`skipped` and the log say which and why; :attr:`repaired` has the outlines that
    crossed themselves. What is wrong with an image is found when it is read: see
    :class:`~cbm_plugin.engine.sample_faults.SurvivingSamples`. A missing image leaves its objects
    out in training only, so that no test score gets better by it.

    Args:
        pipeline: transforms.
        boxes_from: ``'parts'`` (default): every part of an object is a sample, in the box around
            it; parts of one object share an ``object_id``. ``'annotation'``: an object is one
            sample, in its annotated box; its largest part is trained on.
        min_area: parts that are smaller are left out; in square pixels. Default 0: none.
        options: as MMEngine's ``BaseDataset``.

    Raises:
        FileNotFoundError: the annotation file, or every image, is missing.
        ValueError: an option is unknown, the annotations cannot be read, or none is valid.
        RuntimeError: (when drawn) twenty samples in a row fail.
    """

    def __init__(self, pipeline: Sequence[Any] = (), boxes_from: str = 'parts',
                 min_area: float = 0.0, **options: Any) -> None:
        if boxes_from not in BOXES_FROM:
            raise ValueError(f"boxes_from is '{boxes_from}': use one of {BOXES_FROM}")
        if min_area < 0:
            raise ValueError(f'min_area is {min_area}, but must not be negative')
        self.boxes_from, self.min_area = boxes_from, min_area
        self.skipped: Named = []
        self.repaired: Named = []
        super().__init__(pipeline=list(pipeline), **options)

    @abstractmethod
    def read_objects(self, checked: Checked) -> None:
        """Read all annotations and hand each object to ``checked.add``."""

    @property
    def source(self) -> str:
        """Where the annotations come from, for messages."""
        return self.ann_file

    def load_data_list(self) -> List[dict]:
        """Read and check all annotations."""
        checked = Checked(self.boxes_from, self.min_area)
        self.read_objects(checked)
        instances = self._with_images(checked)
        self.skipped, self.repaired = checked.skipped, checked.repaired
        self._report(len(instances))
        if not instances:
            raise ValueError(f'{self.source} holds no valid outline; ' + (
                summary(self.skipped) or 'it holds no object of the classes '
                f'{self.metainfo.get("classes")}'))
        for number, instance in enumerate(instances):
            instance['instance_id'] = number
        return instances

    def _with_images(self, checked: Checked) -> List[dict]:
        paths = {instance['img_path'] for instance in checked.instances}
        missing = {path for path in paths if not os.path.isfile(path)}
        if paths and missing == paths:
            raise FileNotFoundError(
                f'{self.source} names {len(paths)} images, and none exists: '
                f'{some_names(sorted(paths))}. Set data_prefix=dict(img=DIR) to the folder that '
                'their names start from')
        if self.test_mode:
            return checked.instances
        checked.skipped += [(self.name_of(instance), 'the image is missing')
                            for instance in checked.instances if instance['img_path'] in missing]
        return [instance for instance in checked.instances if instance['img_path'] not in missing]

    def _report(self, kept: int) -> None:
        if self.skipped:
            print_log(f'{self.source}: {len(self.skipped)} objects or parts are left out, {kept} '
                      f'outlines remain; {summary(self.skipped)}', 'current', level=30)
        if self.repaired:
            print_log(f'{self.source}: {len(self.repaired)} outlines are repaired; '
                      f'{summary(self.repaired)}', 'current', level=30)

    def name_of(self, info: dict) -> str:
        """The image and the object."""
        return f"{info['img_path']}, object {info['object_id']}"

    def reason(self, info: dict, error: Exception) -> str:
        """Why a sample failed; the image by its name alone, since :meth:`name_of` has its path."""
        path = info['img_path']
        message = str(error).replace(os.path.abspath(path), os.path.basename(path))
        return f'{type(error).__name__}: {short(Exception(message))}'

    def blacken(self, info: dict) -> None:
        """Show black instead of the image."""
        height, width = info['ori_shape'] or (int(np.ceil(info['box'][3])),
                                              int(np.ceil(info['box'][2])))
        info['img'] = np.zeros((height, width, 3), np.uint8)


def summary(faults: Named) -> str:
    """How many there are of each fault, and the first names; '' if there are none."""
    names: Dict[str, List[str]] = defaultdict(list)
    for name, fault in faults:
        names[fault].append(name)
    return '; '.join(f'{fault}: {len(of)} ({some_names(of)})' for fault, of in names.items())


def read_json(path: str) -> dict:
    """The object in a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON, or no object.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the annotation file {path} does not exist: set data_root and '
                                'ann_file')
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not readable as JSON: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} is JSON, but holds a {type(content).__name__} where annotations '
                         'are an object with named entries')
    return content
