"""Files that are written whole or not at all, and the place of the tables in a page."""
import os
from pathlib import Path
from typing import Callable, List


def marker_lines(device: str, dtype: str) -> List[str]:
    """The comments between which a page holds the tables of one device and dtype."""
    return [f'<!-- benchmark_layers {device} {dtype}: {word} -->' for word in ('begin', 'end')]


def check_page(page: Path, begin: str, end: str) -> None:
    """Raise a ValueError where an existing page has no place for the tables."""
    if page.exists():
        text = page.read_text(encoding='utf-8')
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise ValueError(f'{page} needs these two lines, once and in this order, around the '
                             f'place of the tables: {begin} and {end}')


def replace_between(page: Path, begin: str, end: str, content: str) -> None:
    """Put ``content`` between the two comments of a page, or make a page of it."""
    check_page(page, begin, end)
    before, after = '', '\n'
    if page.exists():
        text = page.read_text(encoding='utf-8')
        before, after = text[:text.index(begin)], text[text.index(end) + len(end):]
    write_whole(page, lambda path: path.write_text(
        f'{before}{begin}\n\n{content}\n{end}{after}', encoding='utf-8'))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """``write`` a temporary file beside ``path`` and rename it: never half a file."""
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}{path.suffix}')
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        if temporary.exists():
            temporary.unlink()
