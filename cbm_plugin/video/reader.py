"""Opening video files so that a damaged one raises an error, and never ends or fills the process.

decord 0.6.0 (FFmpeg 4.1) has three faults that a damaged file reaches. All videos are read through
:func:`open_video`, which absorbs them:

* read from memory, as MMAction2's ``DecordInit`` does, a file that was cut off is read beyond its
  end (``AVIOBytesContext::seek`` checks no bounds): the process dies of a segmentation fault. By
  its path, FFmpeg itself reads the file;
* room is reserved for as many frames as the header declares, before one is found: a header that
  declares 2**30 ends the process by an uncaught ``std::bad_alloc``. OpenCV reads the header first;
* a batch is allocated in the size that the header declares, and every frame scaled to it: 100
  frames of 8191x8191 are 20 GB. The size is known before a frame is decoded.

One is not absorbed: decord's thread runs ahead of what is asked for, as far as it gets, and a
packet there that cannot be decoded fails the frames before it. Whether a window before the damage
can be read thus depends on how busy the machine is.
"""
import os
from functools import lru_cache
from typing import Any, Sequence, Tuple

import cv2
import decord

from ..engine.sample_faults import short

MAX_FRAMES = 10_000_000
"""A header may declare so many frames: 46 hours at 60 a second."""

MAX_PIXELS = 8192 * 4352
"""A frame may have so many pixels: the largest picture of H.265 and AV1, a little above 8K."""

MAX_BYTES = 4 << 30
"""So much may be decoded at once: 690 frames of 1920x1080."""


class BoundedVideoReader(decord.VideoReader):
    """decord's reader of a file, for one thread, that refuses what would fill the memory.

    Args:
        path: of the file.
        num_threads: of the decoder. Default 1: a loader has its worker processes.

    Raises:
        ValueError: the size of its frames is above :data:`MAX_PIXELS`.
        Exception: decord has RuntimeError, DECORDError, AssertionError, ... for files that it
            cannot open.
    """

    def __init__(self, path: str, num_threads: int = 1) -> None:
        super().__init__(path, num_threads=num_threads)
        self.path = path
        self.frame_size: Tuple[int, int] = tuple(  # (H, W), told without decoding a frame
            super().get_batch([]).shape[1:3])
        height, width = self.frame_size
        if height * width > MAX_PIXELS:
            raise ValueError(f'its frames are {width}x{height} pixels, more than the {MAX_PIXELS} '
                             'that are decoded: the file is damaged, or must be made smaller')

    def get_batch(self, indices: Sequence[int]) -> Any:
        """Chosen frames, as decord gives them: uint8 ``(T, H, W, 3)``.

        Raises:
            ValueError: they need more than :data:`MAX_BYTES`.
        """
        height, width = self.frame_size
        if len(indices) * height * width * 3 > MAX_BYTES:
            raise ValueError(f'{self.path}: {len(indices)} frames of {width}x{height} need more '
                             f'than the {MAX_BYTES} bytes that are decoded at once: ask for fewer, '
                             'or make the video smaller')
        return super().get_batch(indices)


def open_video(path: str, num_threads: int = 1) -> BoundedVideoReader:
    """A video of at least one frame.

    Its length is that of the packets that are there, since decord reads them all to index them,
    not what the header says. Frames that differ in size from the first are stretched to that by
    decord, which says nothing of it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no video, is cut off so that it cannot be opened, has no frames, or
            declares more or larger ones than :data:`MAX_FRAMES` and :data:`MAX_PIXELS`.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the video {path} does not exist')
    declared = declared_frames(path)
    if declared > MAX_FRAMES:
        raise ValueError(f'{path} cannot be opened as a video (its header declares {declared:.3g} '
                         f'frames, more than {MAX_FRAMES}): copy it again, convert it, or take it '
                         'away')
    try:
        reader = BoundedVideoReader(path, num_threads)
    except Exception as error:  # decord raises RuntimeError, DECORDError, OSError, ...
        raise ValueError(f'{path} cannot be opened as a video ({short(error)}): copy it again, '
                         'convert it, or take it away') from error
    if len(reader) == 0:
        raise ValueError(f'{path} has no frames: copy it again, or take it away')
    return reader


def declared_frames(path: str) -> float:
    """How many frames the header of a file says it has (or its duration, where it counts none).

    Without a header that OpenCV can read it is 0. About 0.5 ms when a file is first asked for.

    Raises:
        FileNotFoundError: there is no such file.
    """
    state = os.stat(path)
    return _declared_frames(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1 << 16)  # the same files are drawn in every epoch
def _declared_frames(path: str, size: int, changed: int) -> float:
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        return float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()
