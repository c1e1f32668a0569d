"""Arrays of features by the name of their video: a folder of npy files, or one npz.

Pickled arrays are never loaded: a pickle runs code. What is asked for first is the header, so that
a data set can check thousands of files without reading one of them.
"""
import os
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, Dict, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

REMEDY = 'write it again, e.g. with tools/data/extract_features.py'


class Header(NamedTuple):
    """What is known of an array without reading it."""
    shape: Tuple[int, ...]
    dtype: np.dtype


class FeatureStore(ABC):
    """Gives the header and the items of each video's array.

    Args:
        path: of the npz file or the folder; named in every message.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = str(path)

    def find(self, name: str) -> Optional[str]:
        """The key of a video's array: its name, or its name without the suffix (of a video).

        None where there is no such array.

        Raises:
            ValueError: the name leads out of the store.
        """
        check_inside(name, self.path)
        stem = str(PurePosixPath(name).with_suffix('')) if PurePosixPath(name).name else name
        return next((key for key in (name, stem) if self.has(key)), None)

    @abstractmethod
    def has(self, key: str) -> bool:
        """Whether there is an array of that name."""

    @abstractmethod
    def header(self, key: str) -> Header:
        """Shape and type of an array."""

    @abstractmethod
    def read(self, key: str, items: Union[slice, np.ndarray] = slice(None)) -> np.ndarray:
        """The picked items of an array, ``(T, ...)``."""


class NpyFolder(FeatureStore):
    """One ``NAME.npy`` per video; only the picked items are read from the disk."""

    def _file(self, key: str) -> str:
        return os.path.join(self.path, key if key.endswith('.npy') else f'{key}.npy')

    def has(self, key: str) -> bool:
        """Whether the file is there."""
        return os.path.isfile(self._file(key))

    def header(self, key: str) -> Header:
        """Shape and type, out of the first bytes of the file."""
        with open(self._file(key), 'rb') as stream:
            return _header(stream, self._file(key))

    def read(self, key: str, items: Union[slice, np.ndarray] = slice(None)) -> np.ndarray:
        """Some items, of which alone the file is read."""
        try:
            array = np.load(self._file(key), mmap_mode='r', allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f'{self._file(key)} cannot be read ({error}): {REMEDY}') from error
        return np.array(array[items])


class NpzArrays(FeatureStore):
    """An npz with one array per video, opened by each process for itself."""

    def __init__(self, path: Union[str, Path]) -> None:
        super().__init__(path)
        self._opened: Dict[int, Any] = {}
        self.keys = frozenset(self._archive().files)

    def __getstate__(self) -> dict:
        return {**vars(self), '_opened': {}}  # an open file does not travel to another process

    def _archive(self) -> Any:
        if os.getpid() not in self._opened:
            self._opened = {os.getpid(): open_npz(self.path)}
        return self._opened[os.getpid()]

    def has(self, key: str) -> bool:
        """Whether the archive has such an array."""
        return key in self.keys

    def header(self, key: str) -> Header:
        """Shape and type, out of the first bytes of the array."""
        with self._archive().zip.open(f'{key}.npy') as stream:
            return _header(stream, f'{key} in {self.path}')

    def read(self, key: str, items: Union[slice, np.ndarray] = slice(None)) -> np.ndarray:
        """Some items; the array is read whole."""
        return read_array(self._archive(), key, self.path)[items]


class NpzTable(FeatureStore):
    """An npz whose array ``features (V, T, C)`` or ``(V, T, C, H, W)`` holds all videos.

    It is read into memory at once. ``length (V,)`` says how many items of each row count; without
    it all do.

    Args:
        path: of the npz file.
        names: of the rows.
    """

    def __init__(self, path: Union[str, Path], names: Sequence[str]) -> None:
        super().__init__(path)
        with open_npz(self.path) as archive:
            self.features = read_array(archive, 'features', self.path)
            lengths = (read_array(archive, 'length', self.path)
                       if 'length' in archive.files else None)
        _check_table(self.path, self.features, names, lengths)
        self.rows = {name: row for row, name in enumerate(names)}
        self.lengths = lengths

    def has(self, key: str) -> bool:
        """Whether there is a row of this name."""
        return key in self.rows

    def _row(self, key: str) -> np.ndarray:
        row = self.rows[key]
        array = self.features[row]
        return array if self.lengths is None else array[:int(self.lengths[row])]

    def header(self, key: str) -> Header:
        """Shape and type of the row's items, without the padding."""
        return Header(self._row(key).shape, self.features.dtype)

    def read(self, key: str, items: Union[slice, np.ndarray] = slice(None)) -> np.ndarray:
        """Some of the row's items, as a copy."""
        return np.array(self._row(key)[items])


def _check_table(path: str, features: np.ndarray, names: Sequence[str],
                 lengths: Optional[np.ndarray]) -> None:
    if features.ndim not in (3, 5):
        raise ValueError(f'{path}: features has the shape {features.shape}, but must be '
                         '(V, T, C) or (V, T, C, H, W): one row per video')
    if len(names) != len(features):
        raise ValueError(f'{path}: features has {len(features)} rows, but video and label have '
                         f'{len(names)}: each needs one entry per row')
    if lengths is not None and (lengths.shape != (len(features),) or lengths.dtype.kind not in 'iu'
                                or lengths.min() < 1 or lengths.max() > features.shape[1]):
        raise ValueError(f'{path}: length must hold one whole number in 1..{features.shape[1]} '
                         f'for each of the {len(features)} rows of features')


def open_store(path: Union[str, Path], names: Optional[Sequence[str]] = None) -> FeatureStore:
    """The store at ``path``: a folder of npy files, or an npz of either layout.

    Args:
        path: folder or npz file.
        names: of the rows, where the npz has an array ``features``.

    Raises:
        FileNotFoundError: there is nothing at ``path``.
        ValueError: it cannot be read.
    """
    if os.path.isdir(path):
        return NpyFolder(path)
    if names is not None:
        return NpzTable(path, names)
    return NpzArrays(path)


def open_npz(path: Union[str, Path]) -> Any:
    """An npz file, opened; nothing in it is read yet.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is no npz.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'there is neither a folder nor an npz file {path}: set '
                                'data_prefix=dict(features=PATH), PATH as seen from data_root')
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f'{path} is not an npz file ({error}): {REMEDY}') from error
    if not hasattr(archive, 'files'):
        raise ValueError(f'{path} is a single array, not an npz: give the folder that it is in')
    return archive


def read_array(archive: Any, key: str, path: str) -> np.ndarray:
    """One array of an open npz, whole.

    Raises:
        ValueError: it is pickled, or damaged.
    """
    try:
        return archive[key]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f'{key} in {path} cannot be read ({error}): {REMEDY}') from error


def check_inside(name: str, root: str) -> None:
    """Refuse a name that leads out of ``root``, under any system's rules.

    Raises:
        ValueError: the name is absolute, has a drive, or has ``..`` in it.
    """
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.is_absolute() or path.drive or path.root or '..' in path.parts:
            raise ValueError(f"the name '{name}' leads out of {root}: names in a list are "
                             "relative to that folder, without '..'")


def _header(stream: BinaryIO, where: str) -> Header:
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(stream)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f'{where} is no npy array ({error}): {REMEDY}') from error
    return Header(shape, dtype)
