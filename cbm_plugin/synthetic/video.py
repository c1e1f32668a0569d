"""Writing real video files."""
import os
from pathlib import Path
from typing import Union

import cv2
import numpy as np


def write_mp4(path: Union[str, Path], frames: np.ndarray, fps: float = 8) -> None:
    """Write RGB frames, uint8 ``(T, H, W, 3)``, as an mp4 file, whole or not at all.

    The codec is mp4v, the one that every OpenCV wheel can write and every decord can read: the
    wheels carry no H.264 encoder.

    Raises:
        RuntimeError: this OpenCV cannot write mp4 files.
    """
    path = Path(path)
    height, width = frames.shape[1:3]
    temporary = str(path.with_name(f'.{os.getpid()}_{path.name}'))
    writer = cv2.VideoWriter(temporary, cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*'mp4v'), fps,
                             (width, height))
    if not writer.isOpened():
        raise RuntimeError(f'OpenCV {cv2.__version__} cannot write {path} (mp4, codec mp4v): it '
                           'was built without FFmpeg, or the folder cannot be written to. Install '
                           'the opencv-python wheel, which has FFmpeg')
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    os.replace(temporary, path)
