"""Which next vertex would make an outline cross, touch or repeat itself; exact, on grid cells."""
from typing import Tuple

import numpy as np


def blocked(paths: np.ndarray, counts: np.ndarray, candidates: np.ndarray, grid_size: int,
            end: int) -> np.ndarray:
    """Which candidates may not follow.

    A cell is blocked where the outline has been before, or where the edge to it would cross or
    touch an earlier edge. The end is blocked below three vertices, and where the closing edge would
    cross or touch another.

    Args:
        paths: ``(M, L)`` cells of the outlines so far; what lies beyond ``counts`` is ignored.
        counts: ``(M,)`` vertices of each, at least 1.
        candidates: ``(M, C)`` cells, or the end token.
        grid_size: cells along a side.
        end: the end token.

    Returns:
        ``(M, C)`` bool.
    """
    closing = candidates == end
    cells = np.where(closing, paths[:, :1], candidates)  # the closing edge goes to the first vertex
    longest = int(counts.max())
    paths = paths[:, :longest]
    inside = np.arange(longest) < counts[:, None]
    used = ((paths[:, None] == cells[:, :, None]) & inside[:, None]).any(axis=2)
    last = paths[np.arange(len(paths)), counts - 1]
    crossing = _crosses(_points(paths, grid_size), counts, _points(last, grid_size),
                        _points(cells, grid_size), closing)
    return np.where(closing, counts[:, None] < 3, used) | crossing


Points = Tuple[np.ndarray, np.ndarray]
"""x and y."""


def _points(cells: np.ndarray, grid_size: int) -> Points:
    """Cells as integer coordinates."""
    row, column = np.divmod(cells.astype(np.int32), grid_size)
    return column, row


def _crosses(path: Points, counts: np.ndarray, last: Points, to: Points,
             closing: np.ndarray) -> np.ndarray:
    """Whether the edge ``last -> to`` meets an earlier edge elsewhere than in a shared vertex.

    Arrays are ``(M, C, L - 1)``: instances, candidates, earlier edges ``p q``; the new edge is
    ``a c``.
    """
    (ax, ay), (cx, cy) = (tuple(part[:, None, None] for part in last),
                          tuple(part[:, :, None] for part in to))
    x, y = (part[:, None] for part in path)
    px, py, qx, qy = x[..., :-1], y[..., :-1], x[..., 1:], y[..., 1:]
    beside = np.sign((cx - ax) * (y - ay) - (cy - ay) * (x - ax))  # of each vertex, seen along a c
    side_p, side_q = beside[..., :-1], beside[..., 1:]
    side_a = np.sign((qx - px) * (ay - py) - (qy - py) * (ax - px))
    side_c = np.sign((qx - px) * (cy - py) - (qy - py) * (cx - px))
    boxes = ((np.minimum(ax, cx) <= np.maximum(px, qx)) & (np.minimum(px, qx) <= np.maximum(ax, cx))
             & (np.minimum(ay, cy) <= np.maximum(py, qy))
             & (np.minimum(py, qy) <= np.maximum(ay, cy)))
    meets = (side_p * side_q <= 0) & (side_a * side_c <= 0) & boxes
    # edges that share a vertex with the new one may lie in its line, but not run back along it
    number = np.arange(px.shape[-1])
    before = (number == counts[:, None] - 2)[:, None]  # ends in `last`
    first = (number == 0) & closing[:, :, None]  # starts in the first vertex, `to`
    back = (before & (side_p == 0) & ((px - ax) * (cx - ax) + (py - ay) * (cy - ay) > 0)
            | first & (side_q == 0) & ((qx - cx) * (ax - cx) + (qy - cy) * (ay - cy) > 0))
    exists = (number < counts[:, None] - 1)[:, None]
    return (exists & np.where(before | first, back, meets)).any(axis=2)
