"""Files that are written whole or not at all. Of the standard library alone."""
import os
from contextlib import suppress
from pathlib import Path
from typing import Callable


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file by ``write(draft)``, a file beside it, and rename that: never half a file.

    The draft is on the disk before it gets its name, and the name before this returns, so that a
    machine that loses power leaves the old file or the new one. A process killed while it writes
    leaves its draft, ``.<process>_<name>``.

    Args:
        path: its folder is made where it is missing; an old file stays if ``write`` raises.
        write: gets a name that ends like ``path``'s, since some writers go by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f'.{os.getpid()}_{path.name}')
    try:
        write(draft)
        _on_disk(draft)
        os.replace(draft, path)
        with suppress(OSError):  # not every system can do it for a folder
            _on_disk(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _on_disk(path: Path) -> None:
    """Wait until what was written is on the disk, and not only in the system's memory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_drafts(folder: Path, suffix: str) -> None:
    """Delete what processes left that were killed in :func:`write_whole`.

    Args:
        folder: nobody else may be writing into it.
        suffix: of the files, such as ``'.pth'``; those of others stay.
    """
    for path in folder.glob(f'.*_*{suffix}'):
        if path.name[1:].split('_')[0].isdigit():
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """:func:`write_whole` of a text, in UTF-8."""
    write_whole(path, lambda draft: draft.write_text(text, encoding='utf-8'))


def check_page(page: Path, begin: str, end: str) -> None:
    """See that an existing page has a place for what is generated.

    Raises:
        ValueError: the two comments around it are missing, doubled or in the other order.
    """
    if page.exists():
        text = page.read_text(encoding='utf-8')
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise ValueError(f'{page} needs these two lines, once and in this order, around the '
                             f'place of the tables: {begin} and {end}')


def replace_between(page: Path, begin: str, end: str, content: str) -> None:
    """Put ``content`` between the two comments of a page, or make a page of it.

    Raises:
        ValueError: see :func:`check_page`.
    """
    check_page(page, begin, end)
    before, after = '', '\n'
    if page.exists():
        text = page.read_text(encoding='utf-8')
        before, after = text[:text.index(begin)], text[text.index(end) + len(end):]
    write_text(page, f'{before}{begin}\n\n{content}\n{end}{after}')
