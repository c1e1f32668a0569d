"""Which next vertex would make an outline cross, touch or repeat itself; exact, on grid cells."""
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
    inside = np.arange(longest) < counts[:, None]
    used = ((paths[:, None, :longest] == cells[:, :, None]) & inside[:, None]).any(axis=2)
    last = paths[np.arange(len(paths)), counts - 1]
    crossing = _crosses(paths[:, :longest], counts, _points(last, grid_size),
                        _points(cells, grid_size), closing, grid_size)
    return np.where(closing, counts[:, None] < 3, used) | crossing


def _points(cells: np.ndarray, grid_size: int) -> np.ndarray:
    """Cells ``(...)`` -> integer x, y ``(..., 2)``."""
    return np.stack([cells % grid_size, cells // grid_size], axis=-1).astype(np.int64)


def _crosses(paths: np.ndarray, counts: np.ndarray, last: np.ndarray, to: np.ndarray,
             closing: np.ndarray, grid_size: int) -> np.ndarray:
    """Whether the edge ``last -> to`` meets an earlier edge elsewhere than in a shared vertex."""
    if paths.shape[1] < 2:
        return np.zeros(closing.shape, dtype=bool)
    points = _points(paths, grid_size)
    p, q = points[:, None, :-1], points[:, None, 1:]  # (M, 1, L - 1, 2)
    a, c = last[:, None, None], to[:, :, None]  # (M, 1, 1, 2), (M, C, 1, 2)
    number = np.arange(paths.shape[1] - 1)
    exists = (number < counts[:, None] - 1)[:, None]
    before = (number == counts[:, None] - 2)[:, None]  # ends in `last`
    first = (number == 0) & closing[:, :, None]  # starts in the first vertex, `to`
    meets = _segments_meet(a, c, p, q)
    back = _same_direction(p - a, c - a) & before | _same_direction(q - c, a - c) & first
    return (exists & np.where(before | first, back, meets)).any(axis=2)


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def _same_direction(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (_cross(u, v) == 0) & ((u * v).sum(axis=-1) > 0)


def _segments_meet(a: np.ndarray, c: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Whether segments ``a c`` and ``p q`` share a point: by orientation, and bounding boxes."""
    apart_pq = np.sign(_cross(q - p, a - p)) * np.sign(_cross(q - p, c - p)) > 0
    apart_ac = np.sign(_cross(c - a, p - a)) * np.sign(_cross(c - a, q - a)) > 0
    boxes = ((np.minimum(a, c) <= np.maximum(p, q)) & (np.minimum(p, q) <= np.maximum(a, c)))
    return ~apart_pq & ~apart_ac & boxes.all(axis=-1)
