"""Which videos a data set of features has, and their labels: from a list file or an npz."""
import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..engine.seeding import derive_seed
from .feature_store import check_inside, open_npz, read_array


class Entry(NamedTuple):
    """One video of a list. ``place`` says where it stands, for messages."""
    name: str
    label: str
    place: str


def entries_of_list(ann_file: str) -> List[Entry]:
    """The videos of a list file of lines ``name label``; names may contain spaces.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: a line is no such line, or names a video twice or outside the folder.
    """
    if not os.path.isfile(ann_file):
        raise FileNotFoundError(f'the list of videos {ann_file} does not exist: set ann_file, or '
                                "leave it '' where the annotation stands in the npz")
    entries: Dict[str, Entry] = {}
    with open(ann_file, encoding='utf-8') as lines:
        for number, line in enumerate(lines, start=1):
            place = f'{ann_file}, line {number}'
            parts = line.rsplit(maxsplit=1)
            if not parts:
                continue
            if len(parts) != 2:
                raise ValueError(f"{place}: '{line.strip()}' is not 'name label'")
            if parts[0] in entries:
                raise ValueError(f'{place}: {parts[0]} stands in {entries[parts[0]].place} too: '
                                 'remove one of the two')
            check_inside(parts[0], f'{place}, its folder')
            entries[parts[0]] = Entry(parts[0], parts[1], place)
    return list(entries.values())


def is_table(path: str) -> bool:
    """Whether ``path`` is an npz that holds all videos in one array ``features``."""
    if os.path.isdir(path):
        return False
    with open_npz(path) as archive:
        return 'features' in archive.files


def names_in(path: str) -> List[str]:
    """Names of the videos of an npz, in the order of their labels.

    Raises:
        ValueError: two are the same.
    """
    with open_npz(path) as archive:
        if 'video' in archive.files:
            names = [str(name) for name in read_array(archive, 'video', path)]
        elif 'label' in archive.files:
            names = [str(row) for row in range(len(read_array(archive, 'label', path)))]
        else:
            names = [str(row) for row in range(len(read_array(archive, 'features', path)))]
    twice = sorted({name for name in names if names.count(name) > 1})[:1] if \
        len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"{path}: two videos have the name '{twice[0]}': names tell them apart")
    return names


def entries_of_npz(path: str, split: Optional[str]
                    ) -> Tuple[List[Entry], Optional[Tuple[str, ...]]]:
    """The videos of an npz that carries its annotation, those of one split or all.

    Returns:
        The videos, and the names of the classes, where the npz has them.

    Raises:
        ValueError: an array is missing or does not fit, or there is no such split.
    """
    if os.path.isdir(path):
        raise ValueError(f'{path} is a folder, which says nothing about labels: set ann_file to a '
                         "list of lines 'name label'")
    with open_npz(path) as archive:
        found = {key: read_array(archive, key, path) for key in ('label', 'split', 'classes')
                 if key in archive.files}
        needed = ['label'] + ['video'] * ('features' not in archive.files)
        lacking = [key for key in needed if key not in archive.files]
    if lacking:
        raise ValueError(f"{path} lacks the array{'s' * (len(lacking) > 1)} {', '.join(lacking)}: "
                         "add it (label: a number per video; video: a name per video), or set "
                         "ann_file to a list of lines 'name label'")
    names = names_in(path)
    labels = found['label']
    if labels.shape != (len(names),) or labels.dtype.kind not in 'iuU':
        raise ValueError(f'{path}: label has the shape {labels.shape} and the type {labels.dtype}, '
                         f'but must hold a whole number or a class name for each of the '
                         f'{len(names)} videos')
    wanted = _rows_of_split(path, found.get('split'), split, len(names))
    classes = tuple(map(str, found['classes'])) if 'classes' in found else None
    entries = [Entry(names[row], str(labels[row]), f'{path}, label[{row}]') for row in wanted]
    return entries, classes


def _rows_of_split(path: str, splits: Optional[np.ndarray], split: Optional[str],
                   number: int) -> Sequence[int]:
    if split is None:
        return range(number)
    known = sorted(set(map(str, splits))) if splits is not None else []
    if split not in known or splits is None or splits.shape != (number,):
        raise ValueError(f"{path} has no split '{split}' among its {number} videos, it has "
                         f'{known or "no array `split`"}: use one of them, or split=None')
    return [row for row in range(number) if str(splits[row]) == split]


def some_of_each_class(videos: List[dict], per_class: int, seed: int) -> List[dict]:
    """``per_class`` videos of each class, drawn by ``seed``, in the order of the list.

    Raises:
        ValueError: a class has fewer.
    """
    kept: List[int] = []
    for label in sorted({video['label'] for video in videos}):
        rows = [row for row, video in enumerate(videos) if video['label'] == label]
        if len(rows) < per_class:
            raise ValueError(f'class {label} has {len(rows)} videos, but per_class is {per_class}: '
                             'lower it')
        rng = np.random.default_rng(derive_seed('per_class', seed, label))
        kept += rng.choice(rows, per_class, replace=False).tolist()
    return [videos[row] for row in sorted(kept)]
