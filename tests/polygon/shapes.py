"""Polygons for the tests of geometry, and naive twins of it."""
from itertools import combinations

import numpy as np
from hypothesis import strategies as st

SQUARE = np.array([[0., 0], [4, 0], [4, 4], [0, 4]])
BOW_TIE = np.array([[0., 0], [4, 4], [4, 0], [0, 4]])
PENTAGRAM = np.array([[100 + 80 * np.sin(k * 4 * np.pi / 5), 100 - 80 * np.cos(k * 4 * np.pi / 5)]
                      for k in range(5)])


def star(seed: int, vertices: int, centre: float = 50., radius: float = 50.,
         inner: float = 0.5) -> np.ndarray:
    """A simple outline: random distances in the order of evenly spread angles."""
    distance = np.random.default_rng(seed).uniform(inner * radius, radius, vertices)
    angle = np.arange(vertices) * 2 * np.pi / vertices
    return centre + distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


STARS = st.builds(star, st.integers(0, 10_000), st.integers(3, 80))
SCRIBBLES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1,
                     max_size=14).map(lambda points: np.array(points, float))
"""Few whole coordinates: repeated, collinear, touching and crossing vertices are common."""


def covers(polygon: np.ndarray, x: float, y: float) -> bool:
    """Even-odd rule for one point, edge by edge."""
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0)):
        if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
            inside = not inside
    return inside


def naive_mask(parts: list, height: int, width: int) -> np.ndarray:
    return np.array([[any(covers(part, x + 0.5, y + 0.5) for part in parts) for x in range(width)]
                     for y in range(height)], dtype=np.uint8)


def naive_is_simple(polygon: np.ndarray) -> bool:
    """Pair of edges by pair of edges, by solving for the shared point; whole coordinates."""
    points = [tuple(int(value) for value in point) for point in polygon]
    points = [point for k, point in enumerate(points) if point != points[k - 1]]
    count = len(points)
    edges = [(points[k], points[(k + 1) % count]) for k in range(count)]
    return count >= 3 and all(
        shared_points(edges[i], edges[j]) <= (1 if j - i in (1, count - 1) else 0)
        for i, j in combinations(range(count), 2))


def shared_points(first: tuple, second: tuple) -> float:
    """0, 1 or infinitely many points that two closed segments share."""
    (ax, ay), (bx, by) = first
    (cx, cy), (dx, dy) = second
    ux, uy, vx, vy, wx, wy = bx - ax, by - ay, dx - cx, dy - cy, cx - ax, cy - ay
    parallel = ux * vy - uy * vx
    if parallel:  # a + s u = c + t v
        s, t = wx * vy - wy * vx, wx * uy - wy * ux
        return float(all(0 <= value * np.sign(parallel) <= abs(parallel) for value in (s, t)))
    if wx * uy - wy * ux:
        return 0.
    length = ux * ux + uy * uy
    ends = sorted((wx * ux + wy * uy, (dx - ax) * ux + (dy - ay) * uy))
    low, high = max(0, ends[0]), min(length, ends[1])
    return 0. if low > high else 1. if low == high else np.inf
