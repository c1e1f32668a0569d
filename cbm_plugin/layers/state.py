"""What a recurrent layer, or a stack of them, remembers."""

from typing import Callable, Tuple, Union

import torch
from torch import Tensor

State = Union[Tensor, Tuple['State', ...]]
"""A tensor, or a tuple of states."""


def map_state(function: Callable[..., Tensor], *states: State) -> State:
    """Apply ``function`` to the tensors of one state, or of several of the same structure."""
    if isinstance(states[0], Tensor):
        return function(*states)
    return tuple(map_state(function, *parts) for parts in zip(*states))


def detach_state(state: State) -> State:
    """The same state, cut off from the graph that computed it."""
    return map_state(Tensor.detach, state)


def tensor_of(state: State) -> Tensor:
    """A state that is one tensor, as such.

    Raises:
        TypeError: it is a tuple.
    """
    if not isinstance(state, Tensor):
        raise TypeError(
            f'a state of one tensor is expected here, got {shapes(state)}: a layer '
            'whose state is a tuple supplies output(states), which says what it gives '
            'out'
        )
    return state


def pair_of(state: State) -> Tuple[Tensor, Tensor]:
    """A state ``(h, c)`` of two tensors, as such."""
    h, c = state
    return tensor_of(h), tensor_of(c)


def shapes(state: object) -> object:
    """The shapes of a state's tensors, in its structure."""
    if isinstance(state, torch.Tensor):
        return tuple(state.shape)
    if isinstance(state, (tuple, list)):
        return tuple(shapes(part) for part in state)
    return type(state).__name__
