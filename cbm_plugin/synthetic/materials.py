"""Surfaces with colour, texture and light, as a camera sees them.

Images here are planar (3, H, W).
"""
from typing import Tuple

import cv2
import numpy as np


def fill(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A surface of a random material: two colours in a pattern, grain, and light from one side.

    Returns:
        Grey levels, float32 ``(3, height, width)``, about 10..245.
    """
    first = rng.uniform(45, 210) + rng.uniform(-45, 45, 3)
    second = np.clip(first + rng.uniform(-60, 60) + rng.uniform(-25, 25, 3), 10, 245)
    first, second = (colour.astype(np.float32)[:, None, None] for colour in (first, second))
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))](rng, height, width)
    grain = np.float32(rng.uniform(2, 14)) * noise(rng, height, width, rng.uniform(1, 2.5))
    shade = 1 + np.float32(rng.uniform(0, 0.3)) * _slope(rng, height, width)
    return (first + pattern * (second - first) + grain) * shade


def photographed(surface: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of it: uneven light, a lens that blurs, a sensor that is noisy.

    Args:
        surface: Grey levels, float32 ``(3, H, W)``.
        rng: Source of strength and direction of all three.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    light = 1 + np.float32(rng.uniform(0.1, 0.5)) * _slope(rng, *surface.shape[1:])
    image = np.ascontiguousarray((surface * light).transpose(1, 2, 0))
    image = cv2.GaussianBlur(image, (5, 5), rng.uniform(0.3, 0.9))
    image += np.float32(rng.uniform(2, 8)) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def noise(rng: np.random.Generator, height: int, width: int, cell: float) -> np.ndarray:
    """Smooth noise of about -1..1, float32, whose grains are ``cell`` pixels wide."""
    coarse = 2 * rng.random((int(height / cell) + 3, int(width / cell) + 3), np.float32) - 1
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _plane(turn: float, height: int, width: int) -> np.ndarray:
    """Distance in pixels along a direction from the middle, float32."""
    x, y = _centred(width), _centred(height)
    return np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * y[:, None]


def _centred(length: int) -> np.ndarray:
    return np.arange(length, dtype=np.float32) - np.float32((length - 1) / 2)


def _slope(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A plane of at most -1..1 that rises in a random direction."""
    scale = np.float32(2 / np.hypot(height, width))
    return scale * _plane(rng.uniform(0, 2 * np.pi), height, width)


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    turn, period = rng.uniform(0, np.pi), np.float32(rng.uniform(5, 16))
    bent = _plane(turn, height, width) + 2 * noise(rng, height, width, 16)
    return 0.5 + np.clip(np.sin(bent * (2 * np.pi / period)), -0.5, 0.5)


def _blotches(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return 0.5 + 0.5 * noise(rng, height, width, rng.uniform(8, 24))


def _spots(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return np.clip(5 * noise(rng, height, width, rng.uniform(4, 9)) - 1, 0, 1)


def _plain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return np.zeros((height, width), np.float32)


_PATTERNS: Tuple = (_stripes, _blotches, _spots, _plain)
