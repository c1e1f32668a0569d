"""Labels as the paper authors' code makes them, to compare with and to read their models by.

``EncodeOutline(encoding='authors')`` takes :func:`authors_cells` alone. The rest is pinned by
golden vectors and not trained with, for its known faults: the target goes on cyclically behind the
end token instead of being left out of the loss, a slice in mid-polygon starts without its first
vertex, and overlaps that are no whole number of positions misalign two slices by a step.
"""
from typing import NamedTuple, Tuple

import numpy as np

LENGTH = 60
"""Tokens of a label: two start tokens, up to 57 cells, the end."""

MAX_CELLS = LENGTH - 3


class AuthorsLabels(NamedTuple):
    """int64 arrays; S = 58 predicted positions in slices of L.

    Args:
        tokens: ``(60,)``: 0, 0, the cells, three end tokens, and on cyclically.
        rows: ``(60,)``: the index that is hot in each row, -1 for the empty rows of the start.
        first: the first cell.
        second, third: ``(slices, L)``: the vertices before, and before the last one.
        target: ``(slices, L)``.
        overlap: float32 ``(slices - 1,)``, positions that a slice shares with the next.
    """
    tokens: np.ndarray
    rows: np.ndarray
    first: int
    second: np.ndarray
    third: np.ndarray
    target: np.ndarray
    overlap: np.ndarray


def authors_cells(polygon: np.ndarray, side: float = 1., grid_size: int = 28,
                  max_cells: int = MAX_CELLS) -> np.ndarray:
    """Cells in the polygon's own order and direction; equal neighbours stay.

    Args:
        polygon: ``(n, 2)`` of x, y in the crop.
        side: of the crop in the polygon's unit. Default 1, unit coordinates; the authors' is 224.
        grid_size: cells along each axis.
        max_cells: from so many vertices on, those numbered ``int(k * n / max_cells)`` are taken.

    Returns:
        int64 ``(min(n, max_cells),)``.
    """
    points = np.asarray(polygon, np.float64)
    if len(points) >= max_cells:
        points = points[(np.arange(max_cells) * len(points) / max_cells).astype(np.int64)]
    column, row = np.clip(points * grid_size / side, 0, grid_size - 1).astype(np.int64).T
    return row * grid_size + column


def authors_slices(length: int, num_slices: int,
                   python2: bool = False) -> Tuple[np.ndarray, np.ndarray]:
    """Positions of each slice and what neighbours share.

    A slice has ``int(1.5 * length / num_slices)`` positions.

    Args:
        length: positions to divide.
        num_slices: 2 or more.
        python2: starts are spread by whole numbers, and the last slice ends with the sequence, as
            the code did under Python 2. Default: starts are rounded down from even spacing.

    Returns:
        int64 ``(num_slices, L)`` and float32 ``(num_slices - 1,)``.

    Raises:
        ValueError: fewer than 2 slices, or so many that a slice is empty.
    """
    size = int(1.5 * length / max(num_slices, 1))
    if num_slices < 2 or size < 1:
        raise ValueError(f'{length} positions cannot be divided into {num_slices} slices: take '
                         f'2 to {int(1.5 * length)}')
    step = (length - size) / (num_slices - 1)
    starts = np.arange(num_slices) * (length - size) // (num_slices - 1)
    overlap = np.full(num_slices - 1, size - step)
    if python2:
        starts = np.append(np.arange(num_slices - 1) * int(step), length - size)
        overlap = np.maximum(0, size - np.diff(starts))
    return starts[:, None] + np.arange(size), overlap.astype(np.float32)


def authors_labels(cells: np.ndarray, num_slices: int = 8, grid_size: int = 28) -> AuthorsLabels:
    """Everything their data set hands to the model for one polygon.

    Args:
        cells: ``(n,)`` by :func:`authors_cells`.
        num_slices: of the overlap training; default 8, as published.
        grid_size: cells along each axis.

    Raises:
        ValueError: more than 57 cells.
    """
    if len(cells) > MAX_CELLS:
        raise ValueError(f'{len(cells)} cells, but a label has room for {MAX_CELLS}')
    ends = grid_size ** 2 + np.arange(3)
    cycle = np.concatenate([cells, ends])
    tokens = np.append([0, 0], np.resize(cycle, LENGTH - 2)).astype(np.int64)
    rows = np.append([-1, -1], tokens[2:])
    index, overlap = authors_slices(LENGTH - 2, num_slices)
    return AuthorsLabels(tokens, rows, int(tokens[2]), rows[index], rows[index + 1],
                         tokens[index + 2], overlap)
