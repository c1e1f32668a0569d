"""Decoding with a carried state, in batches and in beams: against twins that do without."""
from typing import Optional, Tuple

import pytest
import torch
from torch import Tensor

from cbm_plugin.layers import State
from cbm_plugin.polygon import VertexGrid, decode
from cbm_plugin.polygon.network.decoding import Beams
from cbm_plugin.polygon.network.heads import MapVertexHead

from ..decoding_models import (
    crossings,
    exhaustive_twin,
    greedy_twin,
    meet_wrongly,
    point_of,
    prefix_log_prob,
    tiny_features,
    tiny_model,
)

HEADS = pytest.mark.parametrize('head', ['MapVertexHead', 'LSTMVertexHead'])
SEEDS = range(6)
MOST = 9


def without_end(model: torch.nn.Module) -> torch.nn.Module:
    """Outlines that are closed only where they must be."""
    assert isinstance(model.head, MapVertexHead)
    model.head.end.bias.data.fill_(-1e4)
    return model


@HEADS
def test_a_carried_state_gives_the_outlines_of_running_the_prefix_again(head: str) -> None:
    lengths = set()
    for seed in SEEDS:
        model = tiny_model(seed, head=head)
        features = tiny_features(model, 3, seed)
        found = [outline.cells for outline in decode(model, features, 1, MOST)]
        assert found == [greedy_twin(model, features[i:i + 1], MOST) for i in range(3)]
        lengths |= set(map(len, found))
    assert len(lengths) > 2  # some ended early


@pytest.mark.parametrize('beam_width', [1, 4])
def test_a_batch_gives_the_outlines_of_one_by_one(beam_width: int) -> None:
    for seed in SEEDS:
        model = tiny_model(seed)
        features = tiny_features(model, 4, seed)
        batch = decode(model, features, beam_width, MOST)
        apart = [decode(model, features[i:i + 1], beam_width, MOST)[0] for i in range(4)]
        assert [o.cells for o in batch] == [o.cells for o in apart]
        assert [o.score for o in batch] == pytest.approx([o.score for o in apart], rel=1e-4)


def test_a_beam_wider_than_there_are_outlines_finds_the_best_of_all() -> None:
    differs = 0
    for seed in range(4):
        model = tiny_model(seed, grid_size=2)
        features = tiny_features(model, 1, seed)
        best, score = exhaustive_twin(model, features, max_vertices=4)
        found, = decode(model, features, 200, max_vertices=4)
        assert found.cells == best
        assert found.score == pytest.approx(score, rel=1e-4)
        differs += decode(model, features, 1, max_vertices=4)[0].cells != best
    assert differs  # greedy search would not have done


def test_the_score_is_the_mean_over_the_tokens_of_what_the_model_gives_them() -> None:
    model = tiny_model(1)
    features = tiny_features(model, 1)
    found, = decode(model, features, 3, MOST)
    tokens = [*found.cells, model.grid.end]
    total = model.first_logits(features)[0].log_softmax(dim=0)[tokens[0]] + sum(
        prefix_log_prob(model, features, tokens[:k])[tokens[k]] for k in range(1, len(tokens)))
    assert found.score == pytest.approx((total / len(tokens)).exp().item(), rel=1e-4)


def open_crossings(cells: list, grid: VertexGrid) -> int:
    """All but those with the closing edge."""
    points = [point_of(cell, grid) for cell in cells]
    edges = list(zip(points, points[1:]))
    return sum(meet_wrongly(edges[i], edges[j]) for j in range(len(edges)) for i in range(j))


@pytest.mark.parametrize('beam_width', [1, 3])
def test_no_outline_crosses_touches_or_repeats_itself_before_it_must_be_closed(
        beam_width: int) -> None:
    grown = 0
    for seed in SEEDS:
        model = without_end(tiny_model(seed, grid_size=8))
        for outline in decode(model, tiny_features(model, 6, seed), beam_width, 12):
            cells = outline.cells
            assert len(set(cells)) == len(cells)
            # the closing edge came by force: what it crosses is not counted
            assert open_crossings(cells, model.grid) == 0
            grown += len(cells) == 12
    assert grown > 5


@pytest.mark.parametrize('beam_width', [1, 3])
def test_outlines_that_end_by_themselves_do_not_cross_when_they_are_closed(
        beam_width: int) -> None:
    ended = 0
    for seed in SEEDS:
        model = tiny_model(seed, grid_size=8)
        model.head.end.bias.data += 4
        for outline in decode(model, tiny_features(model, 6, seed), beam_width, 20):
            assert crossings(outline.cells, model.grid) == 0
            ended += 3 <= len(outline.cells) < 20
    assert ended > 20


@pytest.mark.parametrize('beam_width', [1, 3])
def test_given_vertices_are_kept_and_the_rest_is_as_if_they_had_been_predicted(
        beam_width: int) -> None:
    model = tiny_model(2)
    features = tiny_features(model, 4)
    given = [[], [14], [8, 9, 10, 16], [7, 10, 28, 26, 25]]
    found = [outline.cells for outline in decode(model, features, beam_width, MOST, given)]
    for cells, first in zip(found, given):
        assert cells[:len(first)] == first
    if beam_width == 1:
        assert found == [greedy_twin(model, features[i:i + 1], MOST, given[i]) for i in range(4)]


def test_given_vertices_may_leave_open_ones_between_them() -> None:
    model = tiny_model(3)
    model.head.end.bias.data += 100  # would end at once
    found, = decode(model, tiny_features(model, 1), 1, MOST, [[7, -1, -1, 10, -1, 28]])
    cells = found.cells
    assert (cells[0], cells[3], cells[5]) == (7, 10, 28)
    assert len(set(cells)) == len(cells)


def test_more_given_vertices_than_the_outline_may_have_are_refused() -> None:
    model = tiny_model()
    with pytest.raises(ValueError, match='4 vertices are given, but max_vertices is 3: raise it'):
        decode(model, tiny_features(model, 1), 1, 3, [[1, 2, 3, 9]])


def test_all_tokens_are_looked_at_where_the_best_ones_are_blocked() -> None:
    grid = VertexGrid(6)
    beams = Beams(torch.zeros(1, grid.cells), grid, 1, 20)
    beams.resume([0, 5, 11, 6], 0.)  # the first two rows, all of whose cells lie on its edges
    logits = torch.zeros(1, grid.num_tokens)
    logits[0, :12], logits[0, 20] = 10., 1.
    logits[0, grid.end] = -10.
    beams.advance(logits)
    assert beams.paths[0, 4] == 20


def test_no_instances_have_no_outlines() -> None:
    model = tiny_model()
    assert decode(model, tiny_features(model, 1)[:0]) == []


@pytest.mark.parametrize('beam_width', [1, 3])
def test_an_outline_goes_on_while_the_end_is_less_probable_than_asked(beam_width: int) -> None:
    """Every cell has less than the end's .4, all together have more."""
    class Undecided:
        grid = VertexGrid(6)

        def first_logits(self, features: Tensor) -> Tensor:
            return torch.zeros(len(features), 36)

        def step(self, features: Tensor, first: Tensor, before: Tensor, last: Tensor,
                 state: Optional[State]) -> Tuple[Tensor, State]:
            probability = torch.full((len(features), 37), 0.6 / 36)
            probability[:, -1] = 0.4
            return probability.log(), ()

    features = torch.zeros(1, 1, 3, 3)
    early, = decode(Undecided(), features, beam_width, 8)
    late, = decode(Undecided(), features, beam_width, 8, end_above=0.5)
    assert (len(early.cells), len(late.cells)) == (3, 8)
