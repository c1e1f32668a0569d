"""What must hold for the lists of a data set (errors), and what should (warnings)."""
import re
from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from .lists import Lists, Split

MAX_IMBALANCE = 10.0
"""A class may have so many times the videos of another before a warning."""

OFFICIAL = {
    'ucf101': {(1, 'train'): 9537, (1, 'val'): 3783, (2, 'train'): 9586, (2, 'val'): 3734,
               (3, 'train'): 9624, (3, 'val'): 3696},
    'hmdb51': {(number, part): count for number in (1, 2, 3)
               for part, count in (('train', 3570), ('val', 1530))}}
"""Videos in each official list."""

OFFICIAL_CLASSES = {'ucf101': 101, 'hmdb51': 51, 'kinetics400': 400}


class Findings(NamedTuple):
    """Errors forbid writing; warnings go into the report."""
    errors: List[str]
    warnings: List[str]


def check_lists(dataset: str, lists: Lists) -> Findings:
    """Look at every split, and at the parts of each split together."""
    findings = Findings([], [])
    _check_classes(dataset, lists, findings)
    for split in lists.splits:
        _check_split(dataset, split, lists.classes, findings)
    for number in sorted({split.number for split in lists.splits}):
        parts = [split for split in lists.splits if split.number == number]
        for i, first in enumerate(parts):
            for second in parts[i + 1:]:
                _check_apart(dataset, first, second, findings)
    return findings


def title(split: Split) -> str:
    """How a message names a list."""
    return f'{split.part} list' + (f' of split {split.number}' if split.number else '')


def counts(split: Split, classes: Sequence[str]) -> Dict[str, int]:
    """Videos of each class."""
    number = Counter(item.label for item in split.items)
    return {name: number[label] for label, name in enumerate(classes)}


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - most
    return ', '.join(names[:most]) + (f' and {rest} more' if rest > 0 else '')


def _check_classes(dataset: str, lists: Lists, findings: Findings) -> None:
    expected = OFFICIAL_CLASSES.get(dataset)
    if expected is not None and len(lists.classes) != expected:
        findings.warnings.append(f'{len(lists.classes)} classes, the official lists have '
                                 f'{expected}')
    if len(lists.classes) < 2:
        findings.errors.append(f'there is one class only, {lists.classes}: a classifier needs two')


def _check_split(dataset: str, split: Split, classes: Sequence[str], findings: Findings) -> None:
    if not split.items:
        findings.errors.append(f'the {title(split)} has no videos: none of those listed was found')
        return
    outside = [item for item in split.items if not 0 <= item.label < len(classes)]
    if outside:
        findings.errors.append(f'{title(split)}: label {outside[0].label} of {outside[0].path} is '
                               f'outside 0..{len(classes) - 1}')
    spaces = [item.path for item in split.items if re.search(r'\s', item.path)]
    if spaces:
        findings.errors.append(f'{title(split)}: {len(spaces)} paths have white space, which '
                               f'separates path and label: {some(spaces)}. Rename folders and '
                               "files with '_' in place of each space")
    twice = [path for path, n in Counter(item.path for item in split.items).items() if n > 1]
    if twice:
        findings.errors.append(f'{title(split)}: {len(twice)} videos are listed twice: '
                               f'{some(twice)}')
    _check_balance(dataset, split, counts(split, classes), findings)


def _check_balance(dataset: str, split: Split, number: Dict[str, int],
                   findings: Findings) -> None:
    empty = [name for name, n in number.items() if n == 0]
    if empty:
        where = findings.errors if split.part == 'train' else findings.warnings
        where.append(f'{title(split)}: {len(empty)} classes have no videos: {some(empty)}')
    filled = [n for n in number.values() if n]
    if filled and max(filled) > MAX_IMBALANCE * min(filled):
        findings.warnings.append(f'{title(split)} is unbalanced: {min(filled)} to {max(filled)} '
                                 'videos a class')
    expected = OFFICIAL.get(dataset, {}).get((split.number, split.part))
    if expected is not None and len(split.items) != expected:
        findings.warnings.append(f'{title(split)}: {len(split.items)} videos, the official list '
                                 f'has {expected}')


def _check_apart(dataset: str, first: Split, second: Split, findings: Findings) -> None:
    both = f'{title(first)} and {title(second)}'
    shared = sorted({item.path for item in first.items} & {item.path for item in second.items})
    if shared:
        findings.errors.append(f'{both} share {len(shared)} videos: {some(shared)}')
    elif dataset == 'ucf101':
        groups = [{ucf_group(item.path) for item in split.items} for split in (first, second)]
        common = sorted(f'{name} g{group}' for name, group in
                        (groups[0] & groups[1]) - {None})  # type: ignore[misc]
        if common:
            findings.errors.append(f'{both} share {len(common)} groups, whose videos are cut from '
                                   f'one recording: {some(common)}. Take the official lists')


def ucf_group(path: str) -> Optional[Tuple[str, str]]:
    """Class and group of ``v_CLASS_g01_c02``, or None."""
    match = re.search(r'v_(\w+)_g(\d+)_c\d+', path.rsplit('/', 1)[-1])
    return (match[1], match[2]) if match else None
