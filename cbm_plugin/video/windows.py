"""Windows of frames from video files, each frame decoded once and brought to one size."""
from dataclasses import dataclass
from typing import Sequence, Tuple, Union

import cv2
import numpy as np

from ..engine.sample_faults import short
from .reader import BoundedVideoReader, declared_frames, open_video

SUFFIXES = ('.avi', '.mp4', '.m4v', '.mov', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv', '.flv')
"""Files that a folder is searched for."""

COUNTED = ('.avi', '.mp4', '.m4v', '.mov')
"""Files whose header says how many frames they hold."""

CHANNELS = dict(grey=1, rgb=3)

DECODED_AT_ONCE = 16
"""So many frames are held in full size, whatever the length of the window."""

MAX_DECODED = 8
"""Up to so many frames are decoded for each that is wanted, instead of jumping to it."""


@dataclass(frozen=True)
class FrameFormat:
    """What every frame of a data set looks like.

    Called with a frame as decord gives it, RGB uint8 ``(h, w, 3)``, it gives uint8 ``(H, W, C)``.
    Frames that shrink are averaged over areas; where a side grows, they are interpolated linearly.

    Args:
        size: ``(H, W)``, or one number for both.
        colour: ``'grey'`` (luma, C = 1; default) or ``'rgb'`` (C = 3).
        fit: ``'crop'`` (default) cuts the frame's middle out in the shape of ``size``;
            ``'stretch'`` keeps all of the frame, and distorts it.

    Raises:
        ValueError: an option is unknown, or a size below 1.
    """
    size: Union[int, Tuple[int, int]] = 64
    colour: str = 'grey'
    fit: str = 'crop'

    def __post_init__(self) -> None:
        size = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
        if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):
            raise ValueError(f'size is {self.size}, but must be (height, width) or one number, '
                             'each at least 1')
        if self.colour not in CHANNELS:
            raise ValueError(f"colour is '{self.colour}': use one of {tuple(CHANNELS)}")
        if self.fit not in ('crop', 'stretch'):
            raise ValueError(f"fit is '{self.fit}': use 'crop' or 'stretch'")
        object.__setattr__(self, 'size', size)

    @property
    def shape(self) -> Tuple[int, int, int]:
        """(H, W, C)."""
        height, width = self.size  # type: ignore[misc]  # one number became two above
        return height, width, CHANNELS[self.colour]

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """A decoded frame ``(H, W, 3)``, RGB -> one of :attr:`shape`."""
        height, width, _ = self.shape
        if self.fit == 'crop':
            frame = _middle(frame, height, width)
        if self.colour == 'grey':
            frame = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if frame.shape[:2] != (height, width):
            shrinks = frame.shape[0] >= height and frame.shape[1] >= width
            frame = cv2.resize(frame, (width, height), interpolation=(
                cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
        return frame.reshape(self.shape)


def count_frames(path: str) -> Tuple[int, bool]:
    """How many frames of a video are whole, and whether the file is cut off.

    A file with fewer frames than its header says was cut off, mostly within its last frame, which
    decoders fill with grey or with what was there before: that one does not count. About 2 ms.

    Raises:
        FileNotFoundError, ValueError: see :func:`~cbm_plugin.video.reader.open_video`; or only
            half a frame is left.
    """
    found = len(open_video(path))
    cut_off = path.lower().endswith(COUNTED) and declared_frames(path) > found
    if found - cut_off == 0:
        raise ValueError(f'{path} is cut off within its first frame: copy it again, or take it '
                         'away')
    return found - cut_off, cut_off


def decode_through(path: str) -> None:
    """Decode a video from its first frame to its last, and keep nothing.

    decord decodes ahead in a thread of its own. So a window before damage is read or not as chance
    has it, but the whole video never.

    Raises:
        FileNotFoundError, ValueError: it cannot be opened, or some frame cannot be decoded.
    """
    reader = open_video(path)
    for first in range(0, len(reader), DECODED_AT_ONCE):
        _decode(reader, range(first, min(first + DECODED_AT_ONCE, len(reader))), path)


def read_frames(path: str, indices: Sequence[int], frame_format: FrameFormat) -> np.ndarray:
    """Chosen frames of a video, uint8 ``(T, H, W, C)``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be opened, ends before the last of ``indices``, or is damaged there.
    """
    reader = open_video(path)
    last = int(max(indices))
    if last >= len(reader):
        raise ValueError(f'{path} has {len(reader)} frames, but frame {last} (from 0) is needed: '
                         'use a shorter window (num_inputs, num_outputs, stride)')
    # decord stops and starts its thread where it jumps, which for videos of key frames alone (MJPG)
    # is at every index that is not the next: decoding what lies between is up to 100 times faster
    span = range(int(min(indices)), last + 1)
    decoded = span if len(span) <= MAX_DECODED * len(indices) else sorted(set(map(int, indices)))
    made = np.empty((len(indices), *frame_format.shape), np.uint8)
    places = np.asarray(indices)
    for first in range(0, len(decoded), DECODED_AT_ONCE):
        part = decoded[first:first + DECODED_AT_ONCE]
        for index, frame in zip(part, _decode(reader, part, path)):
            wanted = np.flatnonzero(places == index)
            if len(wanted):
                made[wanted] = frame_format(frame)
    return made


def _decode(reader: BoundedVideoReader, indices: Sequence[int], path: str) -> np.ndarray:
    try:
        return reader.get_batch(list(indices)).asnumpy()
    except Exception as error:
        raise ValueError(f'{path}: frames {indices[0]} to {indices[-1]} cannot be decoded '
                         f'({short(error)}): the file is damaged; copy it again, or take it '
                         'away') from error


def motion(frames: np.ndarray) -> float:
    """Mean absolute difference of successive frames, in grey levels of 255."""
    return float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean())


def _middle(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest part of a frame around its middle whose sides are as ``height : width``."""
    whole_height, whole_width = frame.shape[:2]
    part_height = min(whole_height, max(1, round(whole_width * height / width)))
    part_width = min(whole_width, max(1, round(whole_height * width / height)))
    top, left = (whole_height - part_height) // 2, (whole_width - part_width) // 2
    return frame[top:top + part_height, left:left + part_width]
