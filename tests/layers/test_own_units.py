"""Recurrent layers of one's own, as docs/layers.md invites to write them."""
from typing import Tuple

import pytest
import torch
from torch import Tensor

from cbm_plugin.layers import RecurrentLayer, State


class TwoParts(RecurrentLayer):
    """Remembers the last item and the sum of all."""

    def initial_state(self, x_t: Tensor) -> State:
        return torch.zeros_like(x_t), torch.zeros_like(x_t)

    def cell(self, x_t: Tensor, state: Tuple[Tensor, Tensor]) -> State:
        return x_t, state[1] + x_t


class Sum(TwoParts):
    """Gives out the sum."""

    def output(self, states: Tuple[Tensor, Tensor]) -> Tensor:
        return states[1]


def test_a_layer_whose_state_is_a_tuple_gives_out_the_part_that_it_names() -> None:
    x = torch.arange(6.).view(1, 3, 2)
    y, state = Sum(2, 2, None)(x)
    assert torch.equal(y, x.cumsum(1))
    assert torch.equal(state[0], x[:, -1])


def test_a_layer_whose_state_is_a_tuple_is_told_to_say_what_it_gives_out() -> None:
    with pytest.raises(TypeError, match=r'got \(\(3, 2\), \(3, 2\)\).*supplies output\(states\)'):
        TwoParts(2, 2, None)(torch.zeros(1, 3, 2))
