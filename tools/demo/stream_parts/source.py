"""Frames of a video file, a camera or a network stream."""
import math
import os
from typing import Iterator

import cv2
import numpy as np

USUAL_FPS = 25.0
"""Where a source does not say."""


class SourceError(Exception):
    """A source that cannot be opened, or that stopped before its end."""


class Source:
    """Reads with OpenCV.

    Args:
        name: a file, a URL (``rtsp://...``), or a camera's number.

    Attributes:
        total: number of frames, as the file's header says; 0 where there is no telling.
        fps: frames per second.
        live: a camera or a stream, which has no end of its own.

    Raises:
        SourceError: it cannot be opened.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        is_camera, is_url = name.isdigit(), '://' in name
        if not (is_camera or is_url or os.path.isfile(name)):
            raise SourceError(f'there is no video {name}: give a file, a URL (rtsp://...) or the '
                              'number of a camera (0 is the first)')
        self.capture = cv2.VideoCapture(int(name) if is_camera else name)
        if not self.capture.isOpened():
            raise SourceError(_not_opened(name, is_camera, is_url))
        total = self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.total = int(total) if math.isfinite(total) and total > 0 else 0
        self.live = is_camera or (is_url and self.total == 0)
        fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else USUAL_FPS
        self.count = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """BGR frames ``(H, W, 3)``, until the end.

        Raises:
            SourceError: a live source gives no more, or a file not a single frame.
        """
        while True:
            there, frame = self.capture.read()
            if not there:
                break
            self.count += 1
            yield frame
        if self.live:
            kind = 'camera' if self.name.isdigit() else 'stream'
            raise SourceError(f'the {kind} {self.name} stopped after {self.count} frames: check '
                              'its cable or network, and start again')
        if self.count == 0:
            raise SourceError(f'{self.name} can be opened, but no frame of it decoded: convert it '
                              '(ffmpeg -i IN -c:v libx264 OUT.mp4)')

    @property
    def shortfall(self) -> int:
        """How many frames the header promised and the file did not have."""
        return 0 if self.live else max(self.total - self.count, 0)

    def close(self) -> None:
        """Give the camera or file back."""
        self.capture.release()


def _not_opened(name: str, is_camera: bool, is_url: bool) -> str:
    if is_camera:
        return (f'camera {name} cannot be opened: is it connected, free, and may this user read it '
                '(on Linux: group video)?')
    if is_url:
        return f'{name} cannot be opened: check address, user and password in a video player'
    return f'{name} cannot be read as a video: it is damaged, or in a format OpenCV does not decode'
