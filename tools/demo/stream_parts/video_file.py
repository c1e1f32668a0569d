"""A video written frame by frame that is whole, or not there."""
import os
from pathlib import Path
from types import TracebackType
from typing import Optional, Type

import cv2
import numpy as np

CODECS = {'.mp4': 'mp4v', '.avi': 'MJPG'}
"""What every OpenCV wheel can write: they carry no H.264 encoder."""


class VideoFileError(Exception):
    """A video that cannot be written."""


class VideoFile:
    """Written beside its place under another name, and renamed when it is finished.

    Used as a context: leaving it by an exception removes what was written.

    Args:
        path: ends with .mp4 or .avi.
        fps: frames per second.

    Raises:
        VideoFileError: the ending is another, the folder does not exist, OpenCV cannot write there,
            or a frame has another size than the first.
    """

    def __init__(self, path: Path, fps: float) -> None:
        if path.suffix.lower() not in CODECS:
            raise VideoFileError(f'{path}: use a name that ends with {" or ".join(CODECS)}')
        if not path.parent.is_dir():
            raise VideoFileError(f'the folder of {path} does not exist: create it first')
        self.path, self.fps = path, fps
        self.temporary = path.with_name(f'.{path.stem}.{os.getpid()}{path.suffix}')
        self.writer: Optional[cv2.VideoWriter] = None
        self.shape = (0, 0)

    def write(self, frame: np.ndarray) -> None:
        """Append a BGR frame."""
        if self.writer is None:
            self.shape = frame.shape[:2]
            self.writer = self._open()
        if frame.shape[:2] != self.shape:  # OpenCV would drop it without a word
            raise VideoFileError(f'{self.path} has frames of {self.shape} pixels, the next one '
                                 f'has {frame.shape[:2]}: the source changed its size')
        self.writer.write(frame)

    def _open(self) -> cv2.VideoWriter:
        code = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(self.temporary), code, self.fps, self.shape[::-1])
        if not writer.isOpened():
            raise VideoFileError(f'OpenCV {cv2.__version__} cannot write {self.path}: the folder '
                                 'cannot be written to, or this OpenCV was built without FFmpeg '
                                 '(the opencv-python wheel has it)')
        return writer

    def __enter__(self) -> 'VideoFile':
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self.writer is not None:
            self.writer.release()
        if self.temporary.exists():
            if kind is None:
                os.replace(self.temporary, self.path)
            else:
                self.temporary.unlink()
