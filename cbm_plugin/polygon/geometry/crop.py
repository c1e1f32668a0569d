"""The square cut around an object, and coordinates in it."""
from typing import Sequence, Tuple

import cv2
import numpy as np

Crop = Tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the image; it may reach beyond the image."""

MAX_SIDE = 32_766
"""OpenCV warps no longer images."""

MAX_SAMPLES = 16
"""So many pixels are averaged along each axis for one of the square, spread over more if there are
more: this bounds the memory."""


def grown_box(box: Sequence[float], grow: float = 0.1) -> Crop:
    """The crop of a box: longer by a share of its own width and height, half of it on each side.

    Args:
        box: x1, y1, x2, y2 in pixels.
        grow: Default 0.1, as published: 5% of the width to the left and to the right, 5% of the
            height above and below.

    Raises:
        ValueError: the box has no area, or ``grow`` is negative.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    if grow < 0:
        raise ValueError(f'grow is {grow}, but a crop never cuts into its box: use 0 or more')
    _check_area((x1, y1, x2, y2))
    right, down = (x2 - x1) * grow / 2, (y2 - y1) * grow / 2
    return x1 - right, y1 - down, x2 + right, y2 + down


def cut(image: np.ndarray, crop: Crop, size: int) -> np.ndarray:
    """The crop as a square, uint8 ``(size, size, 3)``, stretched along each axis by itself.

    Aligned to a fraction of a pixel, so that :func:`to_unit` tells where a point of the image went.
    Bilinear; where the crop has several pixels for one of the square, they are averaged. What lies
    outside the image is black.

    Args:
        image: uint8 ``(H, W, 3)``.

    Raises:
        ValueError: the crop has no area, or shows more than 32766 pixels of the image along a side.
    """
    x1, y1, x2, y2 = _check_area(crop)
    height, width = image.shape[:2]
    left, top = max(0, int(np.floor(x1)) - 1), max(0, int(np.floor(y1)) - 1)
    visible = image[top:max(top, min(height, int(np.ceil(y2)) + 1)),
                    left:max(left, min(width, int(np.ceil(x2)) + 1))]
    if not visible.size:
        return np.zeros((size, size, 3), np.uint8)
    if max(visible.shape) > MAX_SIDE:
        raise ValueError(f'the crop {tuple(crop)} shows {visible.shape[1]} x {visible.shape[0]} '
                         f'pixels, more than {MAX_SIDE} along a side: scale the image down, '
                         'together with its annotations')
    # pixels of the crop for one of the square: so many samples are taken and averaged
    across, down = (int(np.clip(np.ceil(length / size), 1, MAX_SAMPLES))
                    for length in (x2 - x1, y2 - y1))
    step_x, step_y = (x2 - x1) / (size * across), (y2 - y1) / (size * down)
    # the centre of a pixel lies half a pixel from its corner, in both
    to_source = np.array([[step_x, 0, x1 - left + step_x / 2 - 0.5],
                          [0, step_y, y1 - top + step_y / 2 - 0.5]])
    sampled = cv2.warpAffine(visible, to_source, (size * across, size * down),
                             flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                             borderMode=cv2.BORDER_CONSTANT)
    return cv2.resize(sampled, (size, size), interpolation=cv2.INTER_AREA)


def to_unit(polygon: np.ndarray, crop: Crop) -> np.ndarray:
    """Pixels of the image -> unit coordinates of the crop, float64 ``(n, 2)``."""
    corner, size = _corner_and_size(crop)
    return (np.asarray(polygon, np.float64) - corner) / size


def to_image(outline: np.ndarray, crop: Crop) -> np.ndarray:
    """Unit coordinates of the crop -> pixels of the image, float64 ``(n, 2)``."""
    corner, size = _corner_and_size(crop)
    return corner + np.asarray(outline, np.float64) * size


def _corner_and_size(crop: Crop) -> Tuple[np.ndarray, np.ndarray]:
    x1, y1, x2, y2 = _check_area(crop)
    return np.array([x1, y1]), np.array([x2 - x1, y2 - y1])


def _check_area(box: Crop) -> Crop:
    x1, y1, x2, y2 = box
    if not (x2 > x1 and y2 > y1 and np.isfinite(box).all()):
        raise ValueError(f'the box {tuple(box)} has no area: x1 < x2 and y1 < y2 are needed, in '
                         f'pixels')
    return x1, y1, x2, y2
