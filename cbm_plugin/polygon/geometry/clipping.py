"""Polygons cut off at the image's border."""
import numpy as np

from .outline import is_simple, repaired, signed_area


def clipped(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """The part of a polygon inside the image, as one valid polygon.

    By Sutherland and Hodgman (1974). Where the border cuts it into several pieces the largest is
    kept (their method joins them along the border, which the repair takes apart).

    Args:
        polygon: ``(n, 2)`` in pixels, valid.
        height, width: of the image.

    Returns:
        float32 ``(m, 2)``: the polygon itself where it lies inside, ``(0, 2)`` where outside.
    """
    points = np.asarray(polygon, np.float64)
    if (points >= 0).all() and (points <= (width, height)).all():
        return points.astype(np.float32)
    for axis, end in ((0, width), (1, height)):
        points = _below(-_below(-points, axis, 0), axis, end)
    if len(points) < 3 or signed_area(points) == 0:
        return np.zeros((0, 2), np.float32)
    if not is_simple(points):
        points = repaired(points).clip(0, (width, height))
    return points.astype(np.float32)


def _below(points: np.ndarray, axis: int, bound: float) -> np.ndarray:
    """The part of a polygon where a coordinate is at most ``bound``."""
    kept = []
    for point, following in zip(points, np.roll(points, -1, axis=0)):
        if point[axis] <= bound:
            kept.append(point)
        if (point[axis] <= bound) != (following[axis] <= bound):
            share = (bound - point[axis]) / (following[axis] - point[axis])
            crossing = point + share * (following - point)
            crossing[axis] = bound
            kept.append(crossing)
    return np.array(kept).reshape(-1, 2)
