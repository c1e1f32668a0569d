"""Padded batches without their padding: frames packed step by step.

A batch ``(N, T, C, H, W)`` whose sequences have ``lengths`` is run as its real frames alone,
``(M, C, H, W)``: all first items, then all second ones, ... Sequences stand longest first, so that
those which still run at a step are the first rows of it (as in
:class:`torch.nn.utils.rnn.PackedSequence`)::

    lengths 2, 3, 1       a0 a1        rows  b0 a0 c0 | b1 a1 | b2
                          b0 b1 b2
                          c0           batch_sizes  3, 2, 1

So padding is never computed, and cannot reach a gradient, a state or a batch statistic. Maps are
kept channels last: one step is one piece of memory, and a batch without padding that is already in
this order is packed and unpacked without a copy.
"""

from functools import cached_property
from itertools import accumulate
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from .state import State, map_state


class Packing:
    """Which frames of a padded batch are real, and where each stands once packed.

    Args:
        batch, steps: N and T of the padded batch.
        lengths: ``(N,)`` on the CPU, each in 1..T. Default None: all are T.

    Attributes:
        batch_sizes: how many sequences have an item at each step; they never increase.
        offsets: the first row of each step, and the number of rows as a last entry.
        order: ``(N,)`` the sequences, longest first; None where that is their own order.
    """

    def __init__(self, batch: int, steps: int, lengths: Optional[Tensor] = None) -> None:
        self.batch, self.steps = batch, steps
        self.order: Optional[Tensor] = None
        self.lengths = lengths
        if lengths is None or bool((lengths == lengths[0]).all()):
            longest = steps if lengths is None else int(lengths[0])
            self.batch_sizes = (batch,) * longest
        else:
            falling, self.order = torch.sort(lengths, descending=True, stable=True)
            if bool((lengths == falling).all()):
                self.order = None
            longest = int(falling[0])
            self.batch_sizes = tuple((falling > torch.arange(longest)[:, None]).sum(1).tolist())
        self.offsets = (0, *accumulate(self.batch_sizes))

    @property
    def rectangular(self) -> bool:
        """All sequences have the same length."""
        return self.batch_sizes[0] == self.batch_sizes[-1]

    @property
    def spans(self) -> List[Tuple[int, int]]:
        """First row and end of each step."""
        return list(zip(self.offsets, self.offsets[1:]))

    def pack(self, x: Tensor) -> Tensor:
        """``(N, T, C, ...)`` -> ``(M, C, ...)``, channels last; a view where it already is so."""
        if self.rectangular:
            longest = len(self.batch_sizes)
            return _rows(x if longest == x.shape[1] else x[:, :longest])
        frames = x.flatten(0, 1).index_select(0, self._places.to(x.device))
        return frames.contiguous(memory_format=_format(frames))

    def unpack(self, frames: Tensor) -> Tensor:
        """``(M, C, ...)`` -> ``(N, T, C, ...)``, zeros where padded."""
        if self.rectangular:
            x = frames.unflatten(0, (len(self.batch_sizes), self.batch)).transpose(0, 1)
            missing = self.steps - x.shape[1]
            return (
                x
                if missing == 0
                else torch.cat([x, x.new_zeros(self.batch, missing, *x.shape[2:])], dim=1)
            )
        shape = (self.batch * self.steps, *frames.shape[1:])
        padded = torch.zeros(shape, dtype=frames.dtype, device=frames.device)
        padded = padded.contiguous(memory_format=_format(frames))
        return padded.index_copy(0, self._places.to(frames.device), frames).unflatten(
            0, (self.batch, self.steps)
        )

    def sort(self, state: State) -> State:
        """Rows ``(N, ...)`` in the batch's order -> longest sequence first."""
        order = self.order
        if order is None:
            return state
        return map_state(lambda leaf: leaf.index_select(0, order.to(leaf.device)), state)

    def previous(self, rows: Tensor) -> Tensor:
        """Of what stands in packed rows, what each row but the first step's sees as its past."""
        if self.rectangular:
            return rows[: -self.batch]
        return rows.index_select(0, self._pasts.to(rows.device))

    def pick(self, initial: State, history: State, at: Optional[Tensor]) -> State:
        """States after ``at`` items, in the batch's order.

        Args:
            initial: ``(N, ...)``, in the batch's order.
            history: ``(M, ...)``: the state after each item.
            at: ``(N,)`` or ``(N, Q)``, 0 for the initial state. Default None: after the last.

        Returns:
            ``(N, ...)`` or ``(N, Q, ...)``.
        """
        if at is None and self.rectangular:
            return map_state(lambda leaf: leaf[-self.batch :], history)
        return self._pick(initial, history, self.lengths if at is None else at)

    def _pick(self, initial: State, history: State, at: Optional[Tensor]) -> State:
        assert at is not None  # a ragged batch has lengths
        rank = torch.arange(self.batch)
        if self.order is not None:
            rank = torch.empty_like(rank).index_copy(0, self.order, rank)
        rank = rank.view(-1, *[1] * (at.ndim - 1)).expand_as(at)
        rows = torch.tensor(self.offsets)[(at - 1).clamp_min(0)] + rank
        begun = at > 0

        def leaf_at(start: Tensor, leaf: Tensor) -> Tensor:
            picked = leaf.index_select(0, rows.flatten().to(leaf.device)).unflatten(0, at.shape)
            if bool(begun.all()):
                return picked
            ones = [1] * (leaf.ndim - 1)
            start = start.view(start.shape[0], *[1] * (at.ndim - 1), *start.shape[1:])
            return torch.where(begun.view(*at.shape, *ones).to(leaf.device), picked, start)

        return map_state(leaf_at, initial, history)

    @cached_property
    def _pasts(self) -> Tensor:
        """Of each packed row but the first step's, the row that is its past."""
        return torch.cat(
            [
                torch.arange(start, start + size)
                for start, size in zip(self.offsets, self.batch_sizes[1:])
            ]
        )

    @cached_property
    def _places(self) -> Tensor:
        """Where each packed row stands in the padded batch ``(N * T,)``."""
        order = torch.arange(self.batch) if self.order is None else self.order
        return torch.cat([order[:size] * self.steps + t for t, size in enumerate(self.batch_sizes)])


def one_step(batch: int) -> Packing:
    """The packing of a single item of each of ``batch`` sequences."""
    return Packing(batch, 1)


def frames_of_step(x_t: Tensor) -> Tensor:
    """One item of each sequence, ``(N, C, ...)``, as packed rows."""
    return x_t.contiguous(memory_format=_format(x_t))


class Packed(NamedTuple):
    """A packed batch: what a stack hands from layer to layer.

    Args:
        frames: ``(M, C, ...)``.
        packing: where each row stands.
    """

    frames: Tensor
    packing: Packing


def per_step(
    function: Callable[[Tensor], Tensor], frames: Tensor, batch_sizes: Sequence[int]
) -> Tensor:
    """``function`` on the rows of one step after another."""
    return torch.cat([function(rows) for rows in frames.split(list(batch_sizes))])


def _rows(x: Tensor) -> Tensor:
    if x.ndim != 5:
        return x.transpose(0, 1).flatten(0, 1)
    return x.permute(1, 0, 3, 4, 2).contiguous().flatten(0, 1).permute(0, 3, 1, 2)


def _format(frames: Tensor) -> torch.memory_format:
    return torch.channels_last if frames.ndim == 4 else torch.contiguous_format
