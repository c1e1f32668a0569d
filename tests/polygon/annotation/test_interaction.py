"""Corrections: what is kept, what is predicted again, and that a fresh start predicts the same."""
from typing import List

import numpy as np
import pytest
import torch

from cbm_plugin.polygon import VertexGrid, decode
from cbm_plugin.polygon.annotation.interaction import (
    PolygonSession,
    edge_distances,
    next_click,
    simulate_clicks,
)
from cbm_plugin.polygon.geometry.outline import is_simple, polygon_iou

from ..decoding_models import tiny_features, tiny_model

CROP = (10., 20., 70., 140.)  # 10 x 20 pixels a cell
MOST = 10


def session(seed: int = 0, head: str = 'MapVertexHead') -> PolygonSession:
    model = tiny_model(seed, head=head)
    if head == 'MapVertexHead':
        model.head.end.bias.data.fill_(-2)
    return PolygonSession(model, tiny_features(model, 1, seed), CROP, MOST)


def fresh(opened: PolygonSession, given: List[int]) -> List[int]:
    return decode(opened.model, opened.features, 1, MOST, [given],
                  opened.model.end_above)[0].cells


def free_cell(opened: PolygonSession, seed: int = 0) -> int:
    cells = np.setdiff1d(np.arange(opened.model.grid.cells), opened.cells)
    return int(np.random.default_rng(seed).choice(cells))


def test_a_session_starts_with_the_models_greedy_outline() -> None:
    for seed in range(4):
        opened = session(seed)
        assert opened.cells == fresh(opened, [])
        assert is_simple(opened.outline)


@pytest.mark.parametrize('head', ['MapVertexHead', 'LSTMVertexHead'])
def test_a_correction_gives_what_a_fresh_decoding_from_the_same_vertices_gives(head: str) -> None:
    changed = 0
    for seed in range(3):
        count = len(session(seed, head).cells)
        for number in range(0, count, 2):
            opened = session(seed, head)
            kept, cell, before = opened.cells[:number], free_cell(opened, number), opened.cells
            opened.correct({number: cell})
            assert opened.cells == fresh(opened, [*kept, cell])
            changed += opened.cells[number + 1:] != before[number + 1:]
    assert changed > 3


def test_many_corrections_one_after_the_other_are_as_a_fresh_decoding_each_time() -> None:
    for seed in range(4):
        opened, rng = session(seed), np.random.default_rng(seed)
        for turn in range(6):
            fixed = [n for n in opened.fixed]
            number = int(rng.integers(max(fixed, default=0), len(opened.cells)))
            kept, cell = opened.cells[:number], free_cell(opened, turn)
            opened.correct({number: cell})
            assert opened.cells == fresh(opened, [*kept, cell])


def test_only_what_follows_a_correction_runs_again() -> None:
    opened = session(1)
    count, steps = len(opened.cells), []
    step = opened.model.step
    opened.model.step = lambda *seen: (steps.append(int(seen[3])), step(*seen))[1]
    opened.model.extract_feat = opened.model.first_logits = None  # would raise
    number = count - 2
    cell = free_cell(opened)
    opened.correct({number: cell})
    assert steps == opened.cells[number:]
    assert steps[0] == cell


def test_several_corrections_hold_at_once_and_later_ones_keep_them() -> None:
    opened = session(2)
    opened.correct({1: 7, 4: 28})
    assert (opened.cells[1], opened.cells[4]) == (7, 28)
    opened.correct({2: 10})
    assert (opened.cells[1], opened.cells[2], opened.cells[4]) == (7, 10, 28)
    opened.correct({4: 29})
    assert (opened.cells[1], opened.cells[2], opened.cells[4]) == (7, 10, 29)


def test_a_vertex_can_be_added_behind_the_last() -> None:
    opened = session(0)
    opened.model.head.end.bias.data.fill_(100)
    opened = PolygonSession(opened.model, opened.features, CROP, MOST)
    count = len(opened.cells)
    kept, cell = list(opened.cells), free_cell(opened)
    opened.correct({count: cell})
    assert opened.cells[:count + 1] == [*kept, cell]


def test_a_point_of_the_image_is_the_cell_it_lies_in_and_outside_the_crop_the_nearest() -> None:
    opened = session()
    opened.correct({1: (10 + 25, 20 + 81)})  # third column, fifth row
    assert opened.cells[1] == 4 * 6 + 2
    opened.correct({1: (500., 20 + 41)})
    assert opened.cells[1] == 2 * 6 + 5


def test_what_is_done_to_a_copy_leaves_the_session_as_it_was() -> None:
    opened = session(1)
    cells, cell = list(opened.cells), free_cell(opened)
    twin = opened.copy()
    twin.correct({0: cell})
    assert (opened.cells, opened.fixed) == (cells, {})
    opened.correct({2: cell})
    assert opened.cells == fresh(opened, [*cells[:2], cell])
    assert twin.cells == fresh(opened, [cell])


@pytest.mark.parametrize('corrections, message', [
    ({}, 'nothing to correct'), ({-1: 3}, 'there is no vertex -1: use 0 to'),
    ({30: 3}, 'there is no vertex 30: use 0 to'), ({0: 36}, 'there is no cell 36: use 0 to 35'),
    ({0: (1., float('nan'))}, 'no place in the image'), ({1: 3, 0: (1,)}, 'no place in the image')])
def test_corrections_that_make_no_sense_are_refused_and_change_nothing(
        corrections: dict, message: str) -> None:
    opened = session()
    cells, fixed = list(opened.cells), dict(opened.fixed)
    with pytest.raises(ValueError, match=message):
        opened.correct(corrections)
    assert (opened.cells, opened.fixed) == (cells, fixed)


def test_a_model_in_training_and_features_of_several_objects_are_refused() -> None:
    model = tiny_model()
    features = tiny_features(model, 2)
    with pytest.raises(ValueError, match=r'of 2 objects.*features\[i:i \+ 1\]'):
        PolygonSession(model, features, CROP)
    with pytest.raises(ValueError, match=r'call model.eval\(\)'):
        PolygonSession(model.train(), features[:1], CROP)


def test_a_session_on_a_crop_is_one_on_its_features() -> None:
    model = tiny_model()
    crop = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        features = model.extract_feat(crop)
    assert (PolygonSession.of_crop(model, crop, CROP, MOST).cells
            == PolygonSession(model, features, CROP, MOST).cells)


SQUARE = np.array([[25., 50.], [55., 50.], [55., 110.], [25., 110.]])


def test_simulated_clicks_move_wrong_vertices_to_true_ones_in_their_order() -> None:
    opened = session(1)
    corrections = []
    correct = opened.correct
    opened.correct = lambda one: (corrections.append((one, list(opened.cells))), correct(one))[1]
    true = opened.model.grid.encode((SQUARE - (10, 20)) / (60, 120)).tolist()
    assert true == [7, 10, 28, 25]
    done = simulate_clicks(opened, SQUARE, threshold=0.5, target_iou=2)
    assert done.clicks == len(corrections) >= 1
    for correction, cells in corrections:
        (number, cell), = correction.items()
        assert cell in true and cell not in cells[:number]
        wrong = [k for k, cell in enumerate(cells) if distance_to_square(cell) > 0]
        assert not wrong or number == wrong[0]
    numbers = [min(one) for one, _ in corrections]
    assert numbers == sorted(set(numbers))
    assert not any(map(distance_to_square, opened.cells)) or set(true) <= set(opened.cells)


@pytest.mark.parametrize('cells, settled, click, why', [
    ([0, 20, 63, 56], 0, (1, 7), 'the second is wrong: the nearest true one'),
    ([0, 7, 63, 56], 0, None, 'nothing is wrong'),
    ([0, 7, 63], 0, (3, 56), 'closed too early: it goes on'),
    ([0, 4, 63, 56], 0, (2, 7), 'a corner is cut: the edge that passes it goes there'),
    ([0, 63, 56], 0, (1, 7), 'likewise, by the first edge'),
    ([0, 63, 56], 1, (2, 7), 'but never before a click'),
    ([0, 7, 18, 56], 0, (2, 63), 'the nearest one that is free'),
    ([0, 7, 63, 56, 36], 0, None, 'no true one is left')])
def test_the_next_click_by_the_rules(cells: list, settled: int, click: tuple, why: str) -> None:
    found = next_click(cells, np.array([0, 7, 63, 56]), 1, VertexGrid(8), settled)
    assert found == click, why


def distance_to_square(cell: int) -> int:
    """Of a cell from the border of columns and rows 1 to 4, along the farther axis."""
    row, column = divmod(cell, 6)
    outside = max(1 - row, row - 4, 1 - column, column - 4)
    return outside if outside > 0 else min(row - 1, 4 - row, column - 1, 4 - column)


def test_the_distance_from_an_outline_is_that_of_the_nearest_of_many_points_along_it() -> None:
    rng = np.random.default_rng(0)
    outline, points = rng.integers(0, 28, (7, 2)), rng.integers(0, 28, (50, 2))
    ends = np.roll(outline, -1, axis=0)
    along = np.concatenate([a + np.linspace(0, 1, 2001)[:, None] * (b - a)
                            for a, b in zip(outline, ends)])
    expected = [np.abs(along - point).max(axis=1).min() for point in points]
    np.testing.assert_allclose(edge_distances(points, outline).min(axis=1), expected, atol=0.02)


def test_simulated_clicks_end_at_the_iou_that_is_wanted_or_after_so_many() -> None:
    opened = session(1)
    start = polygon_iou([opened.outline], [SQUARE])
    content = simulate_clicks(opened, SQUARE, target_iou=start)
    assert (content.clicks, content.iou) == (0, start)
    limited = simulate_clicks(opened, SQUARE, 0.5, target_iou=2, max_clicks=1)
    assert (limited.clicks, len(limited.ious)) == (1, 2)
    assert limited.ious[1] == polygon_iou([opened.outline], [SQUARE])


def test_a_true_outline_too_thin_for_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match='too thin for a grid of 6 x 6'):
        simulate_clicks(session(), np.array([[20., 30.], [60., 30.], [60., 31.]]))
