"""What a result depends on, as three short hashes: code, settings, data."""
import hashlib
import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from mmengine.config import Config

from cbm_plugin.files import write_whole

from .definition import PROJECT, Task

APPLICATIONS = ('recognition', 'polygon', 'prediction')
"""Rooms of the package that never import each other: a run depends on those that it names."""
PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmaction2')
FEW_FILES, FEW_BYTES = 20, 2 ** 30
"""Data up to this are hashed by what is in the files, more by their names, sizes and times."""


class Code:
    """The files of the project that a config's training reads, as they are now.

    A training starts from a copy of them (:meth:`copy_to`): what is edited while a study runs
    neither changes its results nor makes its fingerprint a lie.
    """

    def __init__(self, cfg: Config, project: Path = PROJECT) -> None:
        named = ' '.join((cfg.get('custom_imports') or {}).get('imports', ()))
        left_out = [room for room in APPLICATIONS if f'cbm_plugin.{room}' not in named]
        self.files: Dict[str, bytes] = {
            name: (project / name).read_bytes() for name in _code_files(project, left_out)}
        self.hash = _short_hash([*((name, _digest(content))
                                   for name, content in self.files.items()), *_versions()])

    def copy_to(self, folder: Path) -> Path:
        """Write what is not yet below ``folder/HASH``, or was edited there; returns that."""
        place = folder / self.hash
        for name, content in self.files.items():
            if not (place / name).is_file() or (place / name).read_bytes() != content:
                write_whole(place / name, lambda draft, content=content: draft.write_bytes(content))
        return place


def of_config(cfg: Config, task: Task, data_root: Optional[Path]) -> str:
    """Of the merged config with its seed; where the data lie does not count."""
    text = json.dumps([cfg.to_dict(), task.amp], sort_keys=True, default=str)
    return _short_hash(text if data_root is None else text.replace(str(data_root), 'DATA_ROOT'))


def of_data(data_root: Optional[Path]) -> str:
    """Of all files below a folder but hidden ones; generated data follow from code and settings."""
    if data_root is None:
        return 'generated'
    files = sorted(_files(data_root))
    facts = [(name, path.stat()) for name, path in files]
    if len(files) <= FEW_FILES and sum(fact.st_size for _, fact in facts) <= FEW_BYTES:
        return _short_hash([(name, _digest(path.read_bytes())) for name, path in files])
    return _short_hash([(name, fact.st_size, fact.st_mtime_ns) for name, fact in facts])


def _code_files(project: Path, left_out: Any) -> Iterator[str]:
    for path in sorted((project / 'cbm_plugin').rglob('*')):
        parts = path.relative_to(project).parts
        if path.is_file() and path.suffix != '.pyc' and parts[1] not in left_out \
                and not any(part.startswith('.') for part in parts):
            yield '/'.join(parts)
    yield 'tools/train.py'


def _files(folder: Path) -> Iterator[Tuple[str, Path]]:
    """Names below a folder, with links followed; a link to a folder above it is not."""
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders[:] = []
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        for name in names:
            path = Path(place) / name
            if not name.startswith('.') and path.is_file():
                yield path.relative_to(folder).as_posix(), path


def _versions() -> Iterator[Tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, 'unknown'


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _short_hash(facts: Any) -> str:
    return _digest(json.dumps(facts).encode())[:10]
