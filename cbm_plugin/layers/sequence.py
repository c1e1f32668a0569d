"""Sequences of unequal lengths: what is valid, what is padding.

A sequence is ``x (N, T, C, H, W)`` or ``(N, T, C)``; ``lengths (N,)`` says how many of its ``T``
items are real. Lengths live on the CPU, as for :func:`torch.nn.utils.rnn.pack_padded_sequence`: no
GPU synchronisation.
"""

from typing import Optional, Sequence, Union

import torch
from torch import Tensor

Lengths = Union[Tensor, Sequence[int], None]


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
        raise ValueError(
            f'lengths has the shape {tuple(lengths.shape)}, but the batch holds '
            f'{batch} sequences: give one length for each'
        )
    if lengths.min() < 1 or lengths.max() > steps:
        raise ValueError(
            f'lengths are {lengths.tolist()}, but must lie in 1..{steps}, the number '
            'of items (T) in the padded batch'
        )
    return lengths


def check_state_at(
    state_at: Lengths, lengths: Optional[Tensor], batch: int, steps: int
) -> Optional[Tensor]:
    """``state_at (N,)`` or ``(N, Q)`` as an int64 CPU tensor.

    Raises:
        ValueError: its first dimension is not N, or an entry lies outside 0..length.
    """
    if state_at is None:
        return None
    state_at = torch.as_tensor(state_at, dtype=torch.int64, device='cpu')
    if state_at.ndim not in (1, 2) or state_at.shape[0] != batch:
        raise ValueError(
            f'state_at has the shape {tuple(state_at.shape)}, but must be (N,) or '
            f'(N, Q) with N = {batch}, the number of sequences'
        )
    bound = torch.full((batch,), steps) if lengths is None else lengths
    bound = bound.view(-1, *[1] * (state_at.ndim - 1))
    if (state_at < 0).any() or (state_at > bound).any():
        raise ValueError(
            f'state_at is {state_at.tolist()}, but each entry must lie between 0 (the '
            f"initial state) and its sequence's length {bound.flatten().tolist()}"
        )
    return state_at


def valid_mask(x: Tensor, lengths: Optional[Tensor]) -> Optional[Tensor]:
    """``(N, T)`` boolean mask of the real items, or None where there is no padding."""
    steps = x.shape[1]
    if lengths is None or bool((lengths == steps).all()):
        return None
    return (torch.arange(steps) < lengths[:, None]).to(x.device)
