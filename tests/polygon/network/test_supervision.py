"""Spread and dense targets, against independent formulas."""
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cbm_plugin.polygon.network.supervision import dense_loss, dense_targets, spread_cross_entropy

GRID = 5


def spread_target(cell: int, spread: float) -> torch.Tensor:
    """The distribution over cells and the end token, written out."""
    target = torch.zeros(GRID ** 2 + 1)
    if cell == GRID ** 2:
        target[cell] = 1
        return target
    row, column = divmod(cell, GRID)
    around = [r * GRID + c for r in range(GRID) for c in range(GRID)
              if max(abs(r - row), abs(c - column)) == 1]
    target[cell] = 1 - spread
    target[around] = spread / len(around)
    return target


@pytest.mark.parametrize('spread', [0.0, 0.3])
def test_spread_cross_entropy_is_that_of_the_written_out_distribution(spread: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, GRID ** 2 + 1)
    cells = [0, 4, 12, 22, 25, 24]  # corners, the middle, an edge, the end
    expected = F.cross_entropy(logits, torch.stack([spread_target(c, spread) for c in cells]))
    torch.testing.assert_close(
        spread_cross_entropy(logits, torch.tensor(cells), GRID, spread), expected)


def test_rows_without_a_target_do_not_count() -> None:
    logits, target = torch.randn(4, GRID ** 2 + 1), torch.tensor([3, -100, 25, -100])
    torch.testing.assert_close(spread_cross_entropy(logits, target, GRID, 0.3),
                               spread_cross_entropy(logits[::2], target[::2], GRID, 0.3))
    none = spread_cross_entropy(logits.requires_grad_(), torch.full((4,), -100), GRID, 0.3)
    none.backward()
    assert none == 0


def test_boundary_cells_join_the_vertex_cells() -> None:
    boundary, vertices = dense_targets([torch.tensor([0, 4, 24, 20])], GRID)[0].view(2, GRID, GRID)
    frame = np.pad(np.zeros((3, 3)), 1, constant_values=1)
    assert boundary.tolist() == frame.tolist()
    corners = np.zeros((GRID, GRID))
    corners[::4, ::4] = 1
    assert vertices.tolist() == corners.tolist()


def test_the_dense_loss_is_least_at_its_targets() -> None:
    outlines = [torch.tensor([0, 4, 24]), torch.tensor([6, 8, 18, 16])]
    right = 20 * (dense_targets(outlines, GRID) - 0.5)
    assert dense_loss(right, outlines, GRID) < 1e-3 < dense_loss(-right, outlines, GRID)
