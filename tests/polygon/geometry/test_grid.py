"""Vertices on the grid of cells."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbm_plugin.polygon.geometry.grid import VertexGrid
from cbm_plugin.polygon.geometry.outline import is_simple, polygon_iou, signed_area

from ..shapes import STARS, star

QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def points_of(cells: np.ndarray, size: int) -> np.ndarray:
    return np.array([[cell % size, cell // size] for cell in cells.tolist()], float)


def test_tokens_are_the_cells_and_the_end() -> None:
    grid = VertexGrid(28)
    assert (grid.cells, grid.end, grid.num_tokens) == (784, 784, 785)


def test_cells_are_numbered_row_by_row_and_borders_belong_to_the_grid() -> None:
    outline = [[0, 0], [0.49, 0.1], [1, 0], [1, 1], [0.26, 0.74], [0, 1]]
    assert VertexGrid(4).encode(outline).tolist() == [0, 3, 15, 9, 12]


def test_a_cell_decodes_to_its_centre() -> None:
    assert VertexGrid(4).decode([0, 6, 15]).tolist() == [[.125, .125], [.625, .375], [.875, .875]]


@QUICK
@given(STARS, st.sampled_from([7, 28, 56]), st.integers(3, 60))
def test_encoded_outlines_are_simple_clockwise_short_and_start_on_top(polygon, size, most) -> None:
    cells = VertexGrid(size).encode(polygon / 100, max_vertices=most)
    points = points_of(cells, size)
    assert cells.dtype == np.int64 and 3 <= len(cells) <= most
    assert is_simple(points) and signed_area(points) > 0
    assert cells[0] == cells.min()


@QUICK
@given(STARS, st.integers(0, 79), st.booleans())
def test_the_writing_of_the_outline_does_not_matter(polygon, turn: int, back: bool) -> None:
    other = np.roll(polygon[::-1] if back else polygon, turn, axis=0)
    grid = VertexGrid(56)
    assert grid.encode(polygon / 100).tolist() == grid.encode(other / 100).tolist()


@QUICK
@given(STARS)
def test_cells_that_were_decoded_encode_to_themselves(polygon: np.ndarray) -> None:
    grid = VertexGrid(28)
    cells = grid.encode(polygon / 100)
    again = grid.encode(grid.decode(cells))
    assert again.tolist() == cells.tolist() or set(again) < set(cells)  # new ones on a line


def test_a_finer_grid_is_truer() -> None:
    polygon = star(5, 40, centre=100, radius=95)
    ious = []
    for size in (14, 28, 56, 112):
        grid = VertexGrid(size)
        ious.append(polygon_iou([polygon], [grid.decode(grid.encode(polygon / 200)) * 200]))
    assert ious == sorted(ious) and ious[1] > 0.9 and ious[-1] > 0.98


def test_tolerance_is_counted_in_cells() -> None:
    roof = np.array([[0, 0.2], [0.55, 0], [0.95, 0.2], [0.95, 0.95], [0, 0.95]])
    grid = VertexGrid(10)
    assert len(grid.encode(roof, tolerance=8.9)) == 5 and len(grid.encode(roof, tolerance=9)) == 4


def test_what_lies_outside_the_crop_goes_to_its_border() -> None:
    outside = [[-0.2, -0.1], [1.3, 0], [1.2, 1.4], [0, 1]]
    assert VertexGrid(4).encode(outside).tolist() == [0, 3, 15, 12]


@pytest.mark.parametrize('outline', [
    [[0.1, 0.09], [0.9, 0.1], [0.5, 0.105]],
    [[0.5, 0.5], [0.51, 0.5], [0.51, 0.51]],
    [[0.1, 0.1], [0.9, 0.9]],
])
def test_an_outline_too_thin_for_the_grid_is_refused(outline: list) -> None:
    with pytest.raises(ValueError, match='too thin for a grid of 28 x 28'):
        VertexGrid().encode(outline)


def test_what_is_no_cell_is_refused() -> None:
    for token in (-1, 784):
        with pytest.raises(ValueError, match='0..783'):
            VertexGrid().decode([3, token])
    with pytest.raises(ValueError, match='size 1'):
        VertexGrid(1)
