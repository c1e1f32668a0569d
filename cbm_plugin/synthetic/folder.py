"""Folders of generated files that appear whole or not at all, whoever makes them first."""
import json
import tempfile
from pathlib import Path
from typing import Callable

MANIFEST = 'manifest.json'


def make_once(folder: Path, manifest: dict, write: Callable[[Path, dict], None],
              is_complete: Callable[[Path, dict], bool]) -> None:
    """See that a folder holds what its manifest says; several processes may ask at once.

    Args:
        folder: its parents are made.
        manifest: every parameter of the files; it is written beside them.
        write: makes the files in a new folder.
        is_complete: whether a folder that has this manifest has all files, too.
    """
    def is_finished() -> bool:
        try:
            found = json.loads((folder / MANIFEST).read_text())
            return found == manifest and is_complete(folder, manifest)
        except (OSError, ValueError):
            return False

    if is_finished():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.making_{folder.name}_',
                                     dir=folder.parent) as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        write(made, manifest)
        (made / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n')
        _move_into_place(made, folder, is_finished)


def _move_into_place(made: Path, folder: Path, is_finished: Callable[[], bool]) -> None:
    """Rename a written set to its final name, unless another process was first."""
    if folder.exists() and not is_finished():
        # Damaged by hand. Its remains go with the temporary folder.
        try:
            folder.rename(made.parent / 'damaged')
        except FileNotFoundError:
            pass  # another process has just done the same
    try:
        made.rename(folder)
    except OSError:
        # Renaming onto a folder that is not empty fails: another process was faster.
        if not is_finished():
            raise
