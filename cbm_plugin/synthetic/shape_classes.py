"""Six classes of outlines, each drawn anew for every object: no two of a class are the same."""
from typing import Callable, Dict

import numpy as np

_CURVE = 40  # vertices of a full turn: at 50 pixels radius a chord is .15 of a pixel off its arc


def draw_outline(name: str, rng: np.random.Generator) -> np.ndarray:
    """An outline of a class: turned, squeezed, and with proportions of its own.

    Args:
        name: One of :data:`SHAPE_CLASSES`.
        rng: Source of everything random in it.

    Returns:
        Polygon, float64 ``(n, 2)`` of x, y, about the middle of its own box; the farthest vertex
        lies at distance 1.
    """
    points = _CLASSES[name](rng)
    if rng.random() < 0.5:
        points = points * (-1, 1)
    squeeze = np.diag([1, rng.uniform(0.75, 1)])
    points = points @ _turn(rng.uniform(0, 2 * np.pi)) @ squeeze @ _turn(rng.uniform(0, 2 * np.pi))
    points = points - (points.min(0) + points.max(0)) / 2
    return points / np.linalg.norm(points, axis=1).max()


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _arc(start: float, stop: float, radius: float = 1.0) -> np.ndarray:
    """Of a circle about 0, in turns."""
    angles = 2 * np.pi * np.linspace(start, stop, 2 + int(_CURVE * abs(stop - start)))
    return radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def _mirrored(half: np.ndarray) -> np.ndarray:
    """An outline of its half with y >= 0, along x."""
    return np.concatenate([half, half[::-1] * (1, -1)])


def _blob(rng: np.random.Generator) -> np.ndarray:
    angles = 2 * np.pi * np.arange(_CURVE) / _CURVE
    radius = np.ones(_CURVE)
    for waves, most in ((2, 0.30), (3, 0.30), (5, 0.10)):
        radius += rng.uniform(most / 3, most) * np.cos(waves * angles + rng.uniform(0, 2 * np.pi))
    return radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def _star(rng: np.random.Generator) -> np.ndarray:
    points = 2 * rng.integers(4, 7)
    radius = np.where(np.arange(points) % 2, rng.uniform(0.45, 0.60), rng.uniform(0.85, 1, points))
    angles = 2 * np.pi * (np.arange(points) + rng.uniform(-0.15, 0.15, points)) / points
    return radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def _crescent(rng: np.random.Generator) -> np.ndarray:
    outer = _arc(0.08, 0.92)
    tip = outer[0]
    # The inner arc goes through both tips, about a centre further right.
    centre = np.array([rng.uniform(0.35, 0.6), 0])
    radius = np.linalg.norm(tip - centre)
    half = np.arctan2(tip[1], tip[0] - centre[0]) / (2 * np.pi)
    return np.concatenate([outer, centre + _arc(1 - half, half, radius)[1:-1]])


def _arrow(rng: np.random.Generator) -> np.ndarray:
    neck, shaft = rng.uniform(-0.1, 0.3), rng.uniform(0.2, 0.35)
    wing, barb = rng.uniform(0.6, 0.8), rng.uniform(0, 0.15)
    return _mirrored(np.array([(-1, shaft), (neck, shaft), (neck - barb, wing), (1, 0.03)]))


def _corner(rng: np.random.Generator) -> np.ndarray:
    length, width, other = rng.uniform(0.7, 1.0), rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6)
    return np.array([(0, 0), (2, 0), (2, width), (other, width), (other, 2 * length),
                     (0, 2 * length)])


def _fish(rng: np.random.Generator) -> np.ndarray:
    along = np.linspace(0, 1, 14)
    girth, tail = rng.uniform(0.38, 0.52), rng.uniform(0.3, 0.45)
    # A body that tapers to a narrow neck before the tail fin.
    body = np.stack([1 - 1.6 * along, girth * np.sin(np.pi * along**0.8) + 0.09 * along], 1)
    fin = np.array([(-1.05, tail), (rng.uniform(-0.95, -0.85), 0)])
    return _mirrored(np.concatenate([body, fin]))


_CLASSES: Dict[str, Callable[[np.random.Generator], np.ndarray]] = dict(
    blob=_blob, star=_star, crescent=_crescent, arrow=_arrow, corner=_corner, fish=_fish)

SHAPE_CLASSES = tuple(_CLASSES)
