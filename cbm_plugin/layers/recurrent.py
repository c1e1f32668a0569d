"""The one interface of everything that recurs, and what all of it has in common."""
from typing import List, Optional, Tuple

import torch
from torch import Tensor, nn

from .sequence import (
    Lengths,
    State,
    check_lengths,
    check_state_at,
    map_state,
    pick_state,
    restore_steps,
    trim_steps,
    valid_mask,
    zero_padding,
)


def projection(in_channels: int, out_channels: int, kernel_size: Optional[int], stride: int = 1,
               bias: bool = True) -> nn.Module:
    """A convolution that keeps the map's size (over ``stride``), or a linear map of vectors.

    Args:
        kernel_size: odd, or None for vectors.

    Raises:
        ValueError: an even kernel has no centre; vectors have no stride.
    """
    if kernel_size is None:
        if stride != 1:
            raise ValueError(f'stride is {stride}, but vectors (kernel_size=None) have none: use 1')
        return nn.Linear(in_channels, out_channels, bias=bias)
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f'kernel_size is {kernel_size}, but must be odd and positive, or None for '
                         'sequences of vectors')
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=bias)


class RecurrentLayer(nn.Module):
    """A recurrent layer over sequences ``(N, T, C, H, W)``, or ``(N, T, C)`` for vectors.

    Used like ``torch.nn.LSTM(batch_first=True)``, with two things more, ``lengths`` and
    ``state_at``::

        y, state = layer(x)                          # from zero
        y, state = layer(x, state)                   # carried on
        y, state = layer(x, state, lengths, state_at)
        y_t, state = layer.step(x_t, state)          # one item

    What lies beyond an item's length never reaches an output, a gradient, a state or a batch
    statistic. A subclass supplies :meth:`recurrence` and, where its state is not one map of
    ``hidden_channels``, :meth:`initial_state`.

    Args:
        in_channels: C of the input.
        hidden_channels: C of the output.
        kernel_size: of maps; None for vectors.
    """

    def __init__(self, in_channels: int, hidden_channels: int,
                 kernel_size: Optional[int]) -> None:
        super().__init__()
        for name, value in (('in_channels', in_channels), ('hidden_channels', hidden_channels)):
            if value < 1:
                raise ValueError(f'{name} is {value}, but must be at least 1')
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.kernel_size = kernel_size

    def initial_state(self, x_t: Tensor) -> State:
        """The zero state for one item ``x_t (N, C, ...)`` of a sequence."""
        return x_t.new_zeros(x_t.shape[0], self.hidden_channels, *x_t.shape[2:])

    def recurrence(self, x: Tensor, state: State,
                   valid: Optional[Tensor]) -> Tuple[Tensor, List[State]]:
        """All outputs ``(N, T, ...)``, and the states after 0, 1, ... T items."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: Optional[State] = None, lengths: Lengths = None,
                state_at: Lengths = None) -> Tuple[Tensor, State]:
        """Run over a padded batch of sequences.

        Args:
            x: ``(N, T, C, H, W)``, or ``(N, T, C)``.
            state: what an earlier call handed out. Default None: zeros.
            lengths: ``(N,)``, each in 1..T. Default None: all are T.
            state_at: ``(N,)``: hand out the state after so many items (0 is the initial state)
                instead of after the last, for a clip that starts inside this one; ``(N, Q)`` hands
                out Q of them, as a second dimension.

        Returns:
            ``y (N, T, hidden_channels, ...)``, zeros where padded, and the state.

        Raises:
            ValueError: a shape does not fit, a length exceeds T, a state is another layer's.
        """
        self._check_input(x)
        lengths = check_lengths(x, lengths)
        state_at = check_state_at(state_at, lengths, x)
        zeros = self.initial_state(x[:, 0])
        state = zeros if state is None else self._check_state(state, zeros)
        steps = x.shape[1]
        x = trim_steps(x, lengths)
        valid = valid_mask(x, lengths)
        y, states = self.recurrence(zero_padding(x, valid), state, valid)
        at = state_at if state_at is not None else (None if valid is None else lengths)
        return restore_steps(zero_padding(y, valid), steps), pick_state(states, at)

    def step(self, x_t: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """One item: ``x_t (N, C, ...)`` -> ``y_t (N, hidden_channels, ...)`` and the new state."""
        y, state = self(x_t.unsqueeze(1), state)
        return y.squeeze(1), state

    def _check_input(self, x: Tensor) -> None:
        expected = '(N, T, C, H, W)' if self.kernel_size is not None else '(N, T, C)'
        dims = 5 if self.kernel_size is not None else 3
        if x.ndim != dims:
            hint = '' if dims == 3 else ' (for vectors, build it with kernel_size=None)'
            raise ValueError(f'{type(self).__name__} expects {expected}, got the shape '
                             f'{tuple(x.shape)}{hint}')
        if x.shape[2] != self.in_channels:
            raise ValueError(f'{type(self).__name__} was built for in_channels='
                             f'{self.in_channels}, got {x.shape[2]} channels in the shape '
                             f'{tuple(x.shape)}')

    def _check_state(self, state: State, zeros: State) -> State:
        expected, got = shapes(zeros), shapes(state)
        if expected != got:
            raise ValueError(f'{type(self).__name__} expects a state of the shape {expected}, got '
                             f'{got}: pass the state that this layer returned for the same batch '
                             'and map size, or None')
        return map_state(lambda leaf, zero: leaf.to(zero), state, zeros)


def shapes(state: object) -> object:
    """The shapes of a state's tensors, in its structure."""
    if isinstance(state, torch.Tensor):
        return tuple(state.shape)
    if isinstance(state, (tuple, list)):
        return tuple(shapes(part) for part in state)
    return type(state).__name__
