"""Sequences of unequal lengths: what is valid, what is padding, which state is handed on.

A sequence is ``x (N, T, C, H, W)`` or ``(N, T, C)``; ``lengths (N,)`` says how many of its ``T``
items are real. ``valid (N, T)`` is the same as a mask, or None where everything is real, so that
the common case costs nothing. Lengths live on the CPU, as for
:func:`torch.nn.utils.rnn.pack_padded_sequence`: no GPU synchronisation.
"""
from typing import Callable, List, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor, nn

State = Union[Tensor, Tuple['State', ...]]
"""A tensor, or a tuple of states: what one recurrent layer, or a stack of them, remembers."""

Lengths = Union[Tensor, Sequence[int], None]


def map_state(function: Callable[..., Tensor], *states: State) -> State:
    """Apply ``function`` to the tensors of one state, or of several of the same structure."""
    if isinstance(states[0], Tensor):
        return function(*states)
    return tuple(map_state(function, *parts) for parts in zip(*states))


def detach_state(state: State) -> State:
    """The same state, cut off from the graph that computed it."""
    return map_state(Tensor.detach, state)


def check_lengths(x: Tensor, lengths: Lengths) -> Optional[Tensor]:
    """``lengths (N,)`` as an int64 CPU tensor.

    Raises:
        ValueError: their number is not N, or one lies outside 1..T.
    """
    if lengths is None:
        return None
    lengths = torch.as_tensor(lengths, dtype=torch.int64, device='cpu')
    batch, steps = x.shape[:2]
    if lengths.shape != (batch,):
        raise ValueError(f'lengths has the shape {tuple(lengths.shape)}, but the batch holds '
                         f'{batch} sequences: give one length for each')
    if lengths.min() < 1 or lengths.max() > steps:
        raise ValueError(f'lengths are {lengths.tolist()}, but must lie in 1..{steps}, the number '
                         'of items (T) in the padded batch')
    return lengths


def check_state_at(state_at: Lengths, lengths: Optional[Tensor], x: Tensor) -> Optional[Tensor]:
    """``state_at (N,)`` or ``(N, Q)`` as an int64 CPU tensor.

    Raises:
        ValueError: its first dimension is not N, or an entry lies outside 0..length.
    """
    if state_at is None:
        return None
    state_at = torch.as_tensor(state_at, dtype=torch.int64, device='cpu')
    batch, steps = x.shape[:2]
    if state_at.ndim not in (1, 2) or state_at.shape[0] != batch:
        raise ValueError(f'state_at has the shape {tuple(state_at.shape)}, but must be (N,) or '
                         f'(N, Q) with N = {batch}, the number of sequences')
    bound = torch.full((batch,), steps) if lengths is None else lengths
    bound = bound.view(-1, *[1] * (state_at.ndim - 1))
    if (state_at < 0).any() or (state_at > bound).any():
        raise ValueError(f'state_at is {state_at.tolist()}, but each entry must lie between 0 (the '
                         f"initial state) and its sequence's length {bound.flatten().tolist()}")
    return state_at


def valid_mask(x: Tensor, lengths: Optional[Tensor]) -> Optional[Tensor]:
    """``(N, T)`` boolean mask of the real items, or None where there is no padding."""
    steps = x.shape[1]
    if lengths is None or bool((lengths == steps).all()):
        return None
    return (torch.arange(steps) < lengths[:, None]).to(x.device)


def trim_steps(x: Tensor, lengths: Optional[Tensor]) -> Tensor:
    """``x`` without the last steps, in which no sequence has an item: nothing to compute."""
    return x if lengths is None else x[:, :int(lengths.max())]


def restore_steps(y: Tensor, steps: int) -> Tensor:
    """``y`` with zeros for the steps that were trimmed."""
    missing = steps - y.shape[1]
    return y if missing == 0 else torch.cat(
        [y, y.new_zeros(y.shape[0], missing, *y.shape[2:])], dim=1)


def zero_padding(x: Tensor, valid: Optional[Tensor]) -> Tensor:
    """``x`` with zeros in place of padding; whatever stood there (NaN too) gets no gradient."""
    if valid is None:
        return x
    return x.masked_fill(~valid.view(*valid.shape, *[1] * (x.ndim - 2)), 0)


def pick_state(states: List[State], at: Optional[Tensor]) -> State:
    """Of the states after 0, 1, ... T items, the one after ``at (N,)`` of each sequence.

    ``at (N, Q)`` picks Q of them, as a second dimension. None picks the last.
    """
    if at is None:
        return states[-1]

    def pick(*leaves: Tensor) -> Tensor:
        over_time = torch.stack(leaves, dim=1)
        index = at.to(over_time.device)
        rows = torch.arange(index.shape[0], device=index.device)
        return over_time[rows.view(-1, *[1] * (index.ndim - 1)), index]

    return map_state(pick, *states)


def per_frame(module: nn.Module, x: Tensor) -> Tensor:
    """``module``, which knows ``(M, ...)`` only, on each item of ``x (N, T, ...)``."""
    return module(x.flatten(0, 1)).unflatten(0, x.shape[:2])
