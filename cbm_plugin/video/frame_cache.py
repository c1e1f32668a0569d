"""Decoded small frames of videos, kept in memory or in files, so that they are decoded once."""
import hashlib
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
from mmengine.logging import print_log

from ..files import write_whole
from .windows import FrameFormat, count_frames, read_frames

MAX_VIDEO_BYTES = 1 << 30
"""Videos whose small frames need more are not kept: each window is decoded when it is drawn."""

LAYOUT = 1
"""Of the files; raise it when the same video and format give other frames than before."""

Identity = Tuple[str, int, int]


class FrameSource:
    """Frames of videos in one format, decoded each time they are asked for."""

    def __init__(self, frame_format: FrameFormat) -> None:
        self.frame_format = frame_format

    def read(self, path: str, indices: Sequence[int]) -> np.ndarray:
        """Chosen frames of a video, uint8 ``(T, H, W, C)``.

        Raises:
            FileNotFoundError, ValueError: see
                :func:`~cbm_plugin.video.windows.read_frames`.
        """
        return read_frames(path, indices, self.frame_format)


class FrameCache(FrameSource, ABC):
    """Keeps all frames of each video it is asked for, by the file's path, size and time of change.

    It gives the same frames and errors as :class:`FrameSource`: a video that is damaged somewhere
    is not kept, and windows of it are decoded as if there were no cache.
    """

    @abstractmethod
    def kept(self, identity: Identity) -> Optional[np.ndarray]:
        """All frames of a video; None if they are not here."""

    @abstractmethod
    def keep(self, identity: Identity, frames: np.ndarray) -> None:
        """Keep them, if there is room."""

    @abstractmethod
    def has_room(self, num_bytes: int) -> bool:
        """Whether so much more can be kept."""

    def read(self, path: str, indices: Sequence[int]) -> np.ndarray:
        """As :meth:`FrameSource.read`."""
        identity = identity_of(path)
        frames = self.kept(identity)
        if frames is None:
            frames = self._all_frames(path)
            if frames is not None:
                self.keep(identity, frames)
        if frames is None or max(indices) >= len(frames):
            return super().read(path, indices)
        return frames[np.asarray(indices)]  # a copy: transforms may write on it

    def _all_frames(self, path: str) -> Optional[np.ndarray]:
        try:
            count, _ = count_frames(path)
            num_bytes = count * int(np.prod(self.frame_format.shape))
            if num_bytes > MAX_VIDEO_BYTES or not self.has_room(num_bytes):
                return None
            return read_frames(path, range(count), self.frame_format)
        except ValueError:
            return None


class MemoryCache(FrameCache):
    """In the memory of each process; videos that come when it is full are decoded as without it.

    Nothing is ever thrown out: in epochs of random order, that is what saves most decoding. Each
    worker process of a loader has its own, and keeps it while ``persistent_workers=True``.

    Args:
        frame_format: of the frames.
        max_bytes: of one process. Default 1 GiB.
    """

    def __init__(self, frame_format: FrameFormat, max_bytes: int = 1 << 30) -> None:
        super().__init__(frame_format)
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._videos: Dict[Identity, np.ndarray] = {}

    def kept(self, identity: Identity) -> Optional[np.ndarray]:
        """From memory."""
        return self._videos.get(identity)

    def keep(self, identity: Identity, frames: np.ndarray) -> None:
        """In memory."""
        self._videos[identity] = frames
        self.num_bytes += frames.nbytes

    def has_room(self, num_bytes: int) -> bool:
        """Below ``max_bytes``."""
        return self.num_bytes + num_bytes <= self.max_bytes


class FolderCache(FrameCache):
    """A .npy file for each video, which all processes and runs share.

    A file is written whole or not at all, read by memory mapping without unpickling, and named by
    the video's path, size, time of change and the format, so that a changed video or option never
    meets an old entry (old entries stay: delete the folder to be rid of them). What is no such
    array is made anew.

    Args:
        frame_format: of the frames.
        folder: is made if missing.

    Raises:
        ValueError: the folder cannot be made or written to.
    """

    def __init__(self, frame_format: FrameFormat, folder: str) -> None:
        super().__init__(frame_format)
        self.folder = Path(folder)
        self._writable = True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f'cache={folder!r} cannot be made a folder ({error}): name another '
                             "folder, or use cache='memory' or None") from error
        if not os.access(self.folder, os.W_OK):
            raise ValueError(f'cache={folder!r} cannot be written to: name another folder, or use '
                             "cache='memory' or None")

    def entry(self, identity: Identity) -> Path:
        """The file of a video."""
        key = repr((LAYOUT, identity, self.frame_format)).encode()
        stem = Path(identity[0]).stem[:80]
        return self.folder / f'{stem}_{hashlib.sha256(key).hexdigest()[:24]}.npy'

    def kept(self, identity: Identity) -> Optional[np.ndarray]:
        """From its file."""
        try:
            frames = np.load(self.entry(identity), mmap_mode='r', allow_pickle=False)
        except (OSError, ValueError, EOFError):  # missing, cut off, or no array of numbers
            return None
        whole = (frames.dtype == np.uint8 and frames.ndim == 4 and len(frames) > 0
                 and frames.shape[1:] == self.frame_format.shape)
        return frames if whole else None

    def keep(self, identity: Identity, frames: np.ndarray) -> None:
        """In a file. A full disk is reported once, and the video decoded next time too."""
        if not self._writable:
            return
        try:
            write_whole(self.entry(identity), lambda draft: np.save(draft, frames))
        except OSError as error:
            self._writable = False
            print_log(f'frames can no longer be kept in {self.folder} ({error}); videos are '
                      'decoded each time', 'current', level=30)

    def has_room(self, num_bytes: int) -> bool:
        """Until a write has failed."""
        return self._writable


def frame_source(frame_format: FrameFormat, cache: Optional[str] = None) -> FrameSource:
    """Frames in one format.

    Args:
        frame_format: of the frames.
        cache: None (default) or ``'none'``, for what comes from the environment: decoded each
            time; ``'memory'``: a :class:`MemoryCache`; a folder: a :class:`FolderCache`.
    """
    if cache in (None, 'none'):
        return FrameSource(frame_format)
    if cache == 'memory':
        return MemoryCache(frame_format)
    return FolderCache(frame_format, cache)


def identity_of(path: str) -> Identity:
    """Real path, size and time of change of a file: others mean another video.

    Raises:
        FileNotFoundError: there is no such file.
    """
    try:
        state = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f'the video {path} does not exist') from None
    return os.path.realpath(path), state.st_size, state.st_mtime_ns
