"""Blocked vertices: against a twin in pure Python that solves for the common point."""
import numpy as np
import pytest

from cbm_plugin.polygon import VertexGrid
from cbm_plugin.polygon.geometry.crossing import blocked

from ..decoding_models import may_follow


@pytest.mark.parametrize('size', [2, 3, 5, 28])
def test_blocked_are_the_vertices_that_a_plain_loop_over_all_edges_blocks(size: int) -> None:
    grid, rng = VertexGrid(size), np.random.default_rng(size)
    most = min(grid.cells, 9)
    paths = np.stack([rng.permutation(grid.cells)[:most] for _ in range(60)])
    counts = rng.integers(1, most + 1, len(paths))
    candidates = rng.integers(0, grid.num_tokens, (len(paths), 12))
    candidates[:, 0] = grid.end
    expected = [[not may_follow(path[:count].tolist(), int(token), grid) for token in row]
                for path, count, row in zip(paths, counts, candidates)]
    found = blocked(paths, counts, candidates, size, grid.end)
    assert found.tolist() == expected
    assert found.any() and not found.all()


def test_what_lies_beyond_the_vertices_so_far_blocks_nothing() -> None:
    paths = np.array([[0, 4, 9, 12, 3, -1], [0, 4, 9, -1, -1, -1]])
    every = np.tile(np.arange(26), (2, 1))
    found = blocked(paths, np.array([3, 3]), every, 5, 25)
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize('path, token, why', [
    ([0, 2], 1, 'back along the edge before'),
    ([0, 2, 12], 7, 'back along it, less far'),
    ([0, 4, 24], 2, 'a vertex on an earlier edge'),
    ([12, 14, 24, 16], 8, 'through the first vertex'),
    ([0, 1, 2], 25, 'closing along a line'),
    ([0, 4], 25, 'two vertices are no outline')])
def test_touching_is_crossing(path: list, token: int, why: str) -> None:
    assert blocked(np.array([path]), np.array([len(path)]), np.array([[token]]), 5, 25)[0, 0], why


def test_vertices_may_go_straight_on() -> None:
    assert not blocked(np.array([[0, 1]]), np.array([2]), np.array([[2, 3, 4]]), 5, 25).any()
