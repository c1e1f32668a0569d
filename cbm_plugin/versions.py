"""The table of tested versions: where it lies, how it is read, what satisfies it.

Imports nothing but the standard library, so that setup.py and the set-up tools can run this file
where nothing is installed yet.
"""
from __future__ import annotations

import operator
import re
from itertools import zip_longest
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
COMPARISONS = {'==': operator.eq, '!=': operator.ne, '<=': operator.le, '>=': operator.ge,
               '<': operator.lt, '>': operator.gt}
LINE = re.compile(r'(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<specifier>[=!<>][^#;]*)?')


def canonical(name: str) -> str:
    """The spelling of a distribution's name that compares equal for all of its spellings."""
    return re.sub(r'[-_.]+', '-', name).lower()


def table_path() -> Path:
    """The table: inside the package, if that came from a wheel, else beside it in the checkout.

    Raises:
        FileNotFoundError: neither is there.
    """
    for root in (PACKAGE / '.mim', PACKAGE.parent):
        path = root / 'requirements' / 'tested.txt'
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'no requirements/tested.txt in {PACKAGE / ".mim"} nor in {PACKAGE.parent}: '
        'install cbm_plugin from a wheel or a whole checkout')


def parse(text: str) -> dict[str, str]:
    """Read requirement lines into ``{canonical name: specifier}``, without comments and options.

    The line ``# python==X.Y`` is read as well: pip has no constraint on Python itself.
    """
    versions = {}
    for line in text.splitlines():
        line = re.sub(r'^#\s*(?=python==)', '', line)
        match = LINE.match(line)
        if match:
            versions[canonical(match['name'])] = (match['specifier'] or '').strip()
    return versions


def tested() -> dict[str, str]:
    """The table of tested versions, ``{canonical name: specifier}``."""
    return parse(table_path().read_text(encoding='utf-8'))


NAMED = ('python', 'torch', 'mmengine', 'mmcv', 'mmaction2', 'mmdet', 'numpy', 'decord')
"""What a reader asks for first."""


def summary() -> str:
    """The table in a line, as the README has it: ``'python 3.11, torch 2.13.0, ...'``."""
    table = tested()
    return ', '.join(f'{name} {table[name].lstrip("=")}' for name in NAMED)


def release(version: str) -> list[int]:
    """``'2.13.0+cpu'`` -> ``[2, 13, 0]``. Local and pre-release parts do not count."""
    match = re.match(r'\d+(\.\d+)*', version)
    return [int(part) for part in match[0].split('.')] if match else []


def satisfies(version: str, specifier: str) -> bool:
    """Whether a version meets a specifier such as ``'>=1.3,<2'``; an empty one is met by all.

    Raises:
        ValueError: an operator other than ``== != <= >= < >``.
    """
    for clause in filter(None, (part.strip() for part in specifier.split(','))):
        match = re.fullmatch(r'([=!<>]+)\s*(\S+)', clause)
        if not match or match[1] not in COMPARISONS:
            raise ValueError(f'specifier {clause!r} in {specifier!r} is none of '
                             f'{" ".join(COMPARISONS)} and a version')
        pairs = list(zip_longest(release(version), release(match[2]), fillvalue=0))
        left, right = [a for a, _ in pairs], [b for _, b in pairs]
        if not COMPARISONS[match[1]](left, right):
            return False
    return True
