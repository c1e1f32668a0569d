"""Small video files whose frames say which they are."""
import struct
from pathlib import Path
from typing import List, Optional

import cv2
import numpy as np

from cbm_plugin.synthetic.video import write_mp4

GREY_PER_FRAME = 8


def numbered_frames(count: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Frame t has the grey value 8 t everywhere; RGB uint8 ``(T, H, W, 3)``."""
    levels = (GREY_PER_FRAME * np.arange(count) % 256).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def numbers_of(frames: List[np.ndarray]) -> List[int]:
    """Which frames of a numbered video these are."""
    return [round(float(frame.mean()) / GREY_PER_FRAME) for frame in frames]


def write_numbered(path: Path, count: int) -> str:
    """An mp4 or, by its suffix, a MJPG avi file of numbered frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = numbered_frames(count)
    if path.suffix == '.mp4':
        write_mp4(path, frames)
    else:
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 8, (32, 24))
        for frame in frames:
            writer.write(frame)
        writer.release()
    return str(path)


def write_avi(path: Path, frames: List[np.ndarray], claimed: Optional[int] = None) -> str:
    """A MJPG avi file by hand: frames may differ in size, and its header may count them wrongly.

    Args:
        claimed: frames that the header says there are. Default None: the truth.
    """
    height, width = frames[0].shape[:2]
    count = len(frames) if claimed is None else claimed
    images = [cv2.imencode('.jpg', frame)[1].tobytes() for frame in frames]
    main = struct.pack('<14I', 125000, 0, 0, 16, count, 0, 1, 100000, width, height, 0, 0, 0, 0)
    stream = b'vidsMJPG' + struct.pack('<IHH8I4H', 0, 0, 0, 0, 1, 8, 0, count, 100000, 2 ** 32 - 1,
                                       0, 0, 0, width, height)
    picture = struct.pack('<Iii2H4s5I', 40, width, height, 1, 24, b'MJPG', 0, 0, 0, 0, 0)
    header = _list(b'hdrl', _chunk(b'avih', main) + _list(
        b'strl', _chunk(b'strh', stream) + _chunk(b'strf', picture)))
    index, place = b'', 4
    for image in images:
        index += b'00dc' + struct.pack('<3I', 16, place, len(image))
        place += 8 + len(image) + len(image) % 2
    movie = _list(b'movi', b''.join(_chunk(b'00dc', image) for image in images))
    body = b'AVI ' + header + movie + _chunk(b'idx1', index)
    path.write_bytes(b'RIFF' + struct.pack('<I', len(body)) + body)
    return str(path)


def spoil_frame(path: Path, number: int) -> None:
    """Overwrite one picture of a file of :func:`write_avi` with zeros."""
    content = path.read_bytes()
    starts = [place for place in range(len(content)) if content[place:place + 3] == b'\xff\xd8\xff']
    start = starts[number]
    size, = struct.unpack('<I', content[start - 4:start])
    path.write_bytes(content[:start] + bytes(size) + content[start + size:])


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack('<I', len(content)) + content + b'\0' * (len(content) % 2)


def _list(name: bytes, content: bytes) -> bytes:
    return _chunk(b'LIST', name + content)
