"""Reading images, for everything of this room."""
import os
import warnings
from functools import lru_cache
from typing import Tuple

import cv2
import numpy as np

MAX_PIXELS = 100_000_000
"""Larger images (100 megapixels, 300 MB decoded) are refused before they are decoded."""


def read_image(path: str) -> np.ndarray:
    """An image as BGR, uint8 ``(H, W, 3)``, turned upright by its EXIF entry as OpenCV does.

    Grey becomes three equal channels, 16 bits become the upper 8, alpha is left out. Instances of
    one image mostly come in turn, so a process keeps the last two images it read; the array is
    therefore read-only.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, is cut off, or has more than 100 megapixels. The file is named.
    """
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the image {path} does not exist')
    state = os.stat(path)
    return _read(path, state.st_mtime_ns, state.st_size)


def image_size(path: str) -> Tuple[int, int]:
    """Width and height by the file's header, without decoding it (nor turning it by EXIF).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image.
    """
    from PIL import Image  # matplotlib brings it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.size
    except FileNotFoundError:
        raise FileNotFoundError(f'the image {path} does not exist') from None
    except Image.DecompressionBombError:
        raise ValueError(_too_large(path, 'far more than')) from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{path} cannot be read as an image: {error}') from None


@lru_cache(maxsize=2)
def _read(path: str, changed: int, file_size: int) -> np.ndarray:
    width, height = image_size(path)
    if width * height > MAX_PIXELS:
        raise ValueError(_too_large(path, f'{width} x {height}, more than'))
    data = np.fromfile(path, np.uint8)
    image = None if _is_cut_off(data.tobytes()) else cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path} cannot be decoded: it is damaged or cut off; copy it again')
    image.setflags(write=False)
    return image


def _too_large(path: str, size: str) -> str:
    return (f'the image {path} is too large: {size} {MAX_PIXELS} pixels; scale it down, together '
            f'with its annotations')


def _is_cut_off(data: bytes) -> bool:
    """Whether the end of a JPEG or PNG is missing, which OpenCV fills with grey or black."""
    if data[:2] == b'\xff\xd8':  # a thumbnail has an end of its own, but before the last scan
        return data.rfind(b'\xff\xd9') < data.rfind(b'\xff\xda')
    return data[:4] == b'\x89PNG' and b'IEND' not in data[-4096:]
