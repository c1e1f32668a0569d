"""The one interface of everything that recurs, and what all of it has in common."""

from abc import ABC, abstractmethod
from functools import partial
from typing import List, Optional, Tuple, TypeVar, Union

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from .fast import PreparedUnits, Unit, project
from .packing import Packed, Packing, frames_of_step, one_step
from .sequence import Lengths, check_lengths, check_state_at
from .state import State, map_state, shapes, tensor_of
from .temporal_dropout import Keep, kept_spans

TWINS = ('fast', 'naive')

Projection = Union[nn.Linear, nn.Conv2d]
"""A unit of vectors, or of maps."""

Self = TypeVar('Self', bound='RecurrentLayer')


def projection(
    in_channels: int,
    out_channels: int,
    kernel_size: Optional[int],
    stride: int = 1,
    bias: bool = True,
) -> Projection:
    """A convolution that keeps the map's size (over ``stride``), or a linear map of vectors.

    Args:
        in_channels: C of the input.
        out_channels: C of the output.
        kernel_size: odd, or None for vectors.
        stride: of the convolution. Default 1.
        bias: the unit has one. Default True.

    Raises:
        ValueError: an even kernel has no centre; vectors have no stride.
    """
    if kernel_size is None:
        if stride != 1:
            raise ValueError(f'stride is {stride}, but vectors (kernel_size=None) have none: use 1')
        return nn.Linear(in_channels, out_channels, bias=bias)
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f'kernel_size is {kernel_size}, but must be odd and positive, or None for '
            'sequences of vectors'
        )
    kind = StridedPointwise if kernel_size == 1 and stride > 1 else nn.Conv2d
    return kind(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=bias)


def bias_of(unit: Projection) -> Tensor:
    """The bias of a unit that was built with one."""
    assert unit.bias is not None
    return unit.bias


class StridedPointwise(nn.Conv2d):
    """A 1x1 convolution with a stride, as one without on the pixels that it sees.

    oneDNN's gradient of a strided one's weights writes past its memory where maps are channels
    last, of 56 pixels or more, and have 8 channels or fewer (torch 2.13 on a CPU with AVX-512).
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(M, C, H, W)`` -> ``(M, out_channels, H / stride, W / stride)``, rounded up."""
        rows, columns = self.stride
        return F.conv2d(x[..., ::rows, ::columns], self.weight, self.bias)


class RecurrentLayer(nn.Module, ABC):
    """A recurrent layer over sequences ``(N, T, C, H, W)``, or ``(N, T, C)`` for vectors.

    Used like ``torch.nn.LSTM(batch_first=True)``, with two things more, ``lengths`` and
    ``state_at``::

        y, state = layer(x)                          # from zero
        y, state = layer(x, state)                   # carried on
        y, state = layer(x, state, lengths, state_at)
        y_t, state = layer.step(x_t, state)          # one item

    What lies beyond an item's length never reaches an output, a gradient, a state or a batch
    statistic. A subclass supplies :meth:`cell`, the readable recurrence, and may be a
    :class:`FastTwin`; where its state is not one map of ``hidden_channels``, it supplies
    :meth:`initial_state`; where its output is not its state, :meth:`output`.

    Args:
        in_channels: C of the input.
        hidden_channels: C of the output.
        kernel_size: of maps; None for vectors.
        twin: ``'fast'`` (default), or ``'naive'``: the same function as a plain loop over
            :meth:`cell`, frame by frame. It is the reference that the fast one is tested against,
            differentiates twice, and is traced by exporters.

    Raises:
        ValueError: an option is unknown or out of range; the message names what is allowed.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: Optional[int], twin: str = 'fast'
    ) -> None:
        super().__init__()
        for name, value in (('in_channels', in_channels), ('hidden_channels', hidden_channels)):
            if value < 1:
                raise ValueError(f'{name} is {value}, but must be at least 1')
        if twin not in TWINS:
            raise ValueError(f"twin is '{twin}': use 'fast' or 'naive'")
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.kernel_size = kernel_size
        self.twin = twin
        self._prepared = PreparedUnits()

    # --- what a subclass says

    def initial_state(self, x_t: Tensor) -> State:
        """The zero state for one item ``x_t (N, C, ...)`` of a sequence."""
        return x_t.new_zeros(x_t.shape[0], self.hidden_channels, *x_t.shape[2:])

    @abstractmethod
    def cell(self, x_t: Tensor, state: State) -> State:
        """One item: ``x_t (N, C, ...)`` and the state before it -> the state after it."""

    def output(self, states: State) -> Tensor:
        """The layer's output, out of its state."""
        return tensor_of(states)

    def has_fast_twin(self) -> bool:
        """Whether this is a :class:`FastTwin` whose options its fast twin knows."""
        return False

    def runs_fast(self, packing: Packing) -> bool:
        """Whether the fast twin runs.

        It does not for one item if gradients are wanted: it gains by seeing many at once, and one
        step of plain autograd is cheaper than its own.
        """
        return (
            self.twin == 'fast'
            and self.has_fast_twin()
            and not (packing.steps == 1 and torch.is_grad_enabled())
        )

    # --- running it

    def forward(
        self,
        x: Union[Tensor, Packed],
        state: Optional[State] = None,
        lengths: Lengths = None,
        state_at: Lengths = None,
    ) -> Tuple[Union[Tensor, Packed], State]:
        """Run over a padded batch of sequences.

        Args:
            x: ``(N, T, C, H, W)``, or ``(N, T, C)``; or what a layer before gave packed, and then
                the output is packed too.
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
        if isinstance(x, Packed):
            frames, packing = x
            self._check_channels(frames.shape[1], frames)
            y, new_state = self._run(frames, packing, state, state_at)
            return Packed(y, packing), new_state
        self._check_input(x)
        batch, steps = x.shape[:2]
        packing = Packing(batch, steps, check_lengths(x, lengths))
        y, new_state = self._run(packing.pack(x), packing, state, state_at)
        return packing.unpack(y), new_state

    def step(self, x_t: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """One item: ``x_t (N, C, ...)`` -> ``y_t (N, hidden_channels, ...)`` and the new state."""
        packed, state = self(Packed(frames_of_step(x_t), one_step(x_t.shape[0])), state)
        return packed.frames, state

    def _run(
        self, frames: Tensor, packing: Packing, state: Optional[State], state_at: Lengths
    ) -> Tuple[Tensor, State]:
        at = check_state_at(state_at, packing.lengths, packing.batch, packing.steps)
        initial = self.initial_state(frames[: packing.batch])
        start = None
        if state is not None:
            initial = self._check_state(state, initial)
            start = packing.sort(initial)
        y, history = self.recurrence(frames, packing, start)
        return y, packing.pick(initial, history, at)

    def recurrence(
        self, frames: Tensor, packing: Packing, start: Optional[State]
    ) -> Tuple[Tensor, State]:
        """All outputs ``(M, ...)``, and the states after each item.

        Args:
            frames: ``(M, C, ...)``, packed.
            packing: where each row stands.
            start: the initial state, longest sequence first. Default None: zeros.
        """
        states = self.states(frames, packing, start)
        return self.output(states), states

    def states(
        self, frames: Tensor, packing: Packing, start: Optional[State], keep: Keep = None
    ) -> State:
        """The states after each item.

        Args:
            frames: ``(M, C, ...)``, packed.
            packing: where each row stands.
            start: the initial state, longest sequence first, or None for zeros.
            keep: at steps that it leaves out the input gets no gradient.
        """
        return self.naive_states(frames, packing, start, keep)

    def naive_states(
        self, frames: Tensor, packing: Packing, start: Optional[State], keep: Keep = None
    ) -> State:
        """The states after each item, by :meth:`cell` alone."""
        state = self.initial_state(frames[: packing.batch]) if start is None else start
        history = []
        for t, x_t in enumerate(frames.split(packing.batch_sizes)):
            rows = x_t.shape[0]  # not len(x_t): exporters would take it for a constant
            still_running = map_state(partial(torch.narrow, dim=0, start=0, length=rows), state)
            state = self.cell(x_t if keep is None or keep[t] else x_t.detach(), still_running)
            history.append(state)
        return map_state(lambda *leaves: torch.cat(leaves), *history)

    # --- checks

    def _check_input(self, x: Tensor) -> None:
        expected = '(N, T, C, H, W)' if self.kernel_size is not None else '(N, T, C)'
        dims = 5 if self.kernel_size is not None else 3
        if x.ndim != dims:
            hint = '' if dims == 3 else ' (for vectors, build it with kernel_size=None)'
            raise ValueError(
                f'{type(self).__name__} expects {expected}, got the shape {tuple(x.shape)}{hint}'
            )
        self._check_channels(x.shape[2], x)

    def _check_channels(self, channels: int, x: Tensor) -> None:
        if channels != self.in_channels:
            raise ValueError(
                f'{type(self).__name__} was built for in_channels='
                f'{self.in_channels}, got {channels} channels in the shape '
                f'{tuple(x.shape)}'
            )

    def _check_state(self, state: State, zeros: State) -> State:
        expected, got = shapes(zeros), shapes(state)
        if expected != got:
            raise ValueError(
                f'{type(self).__name__} expects a state of the shape {expected}, got '
                f'{got}: pass the state that this layer returned for the same batch '
                'and map size, or None'
            )
        return map_state(lambda leaf, zero: leaf.to(zero), state, zeros)

    def train(self: Self, mode: bool = True) -> Self:
        """As :meth:`torch.nn.Module.train`; what was prepared for inference is made anew."""
        self._prepared.clear()
        return super().train(mode)

    def extra_repr(self) -> str:
        """Channels and twin, within ``repr()``."""
        return f'{self.in_channels}, {self.hidden_channels}, twin={self.twin!r}'


class FastTwin(RecurrentLayer):
    """A :class:`RecurrentLayer` with a fast twin."""

    @abstractmethod
    def has_fast_twin(self) -> bool:
        """Whether the fast twin knows this layer's options; the naive one runs otherwise."""

    @abstractmethod
    def fast_inputs(self) -> List[Unit]:
        """The units that see the input alone: they run over all frames at once."""

    @abstractmethod
    def fast_state_units(self) -> List[Unit]:
        """The units that see the state."""

    @abstractmethod
    def fast_states(
        self, projected: List[Tensor], units: List[Unit], packing: Packing, start: Optional[State]
    ) -> State:
        """The states ``(M, ...)`` after each item.

        Args:
            projected: what :meth:`fast_inputs` gave.
            units: :meth:`fast_state_units`.
            packing: where each row stands.
            start: the initial state, longest sequence first, or None for zeros.
        """

    def project(
        self, frames: Tensor, packing: Packing, keep: Keep
    ) -> Tuple[List[Tensor], List[Unit]]:
        """What :meth:`fast_inputs` give for all frames, and the units of the state."""
        frames = autocast_frames(frames)
        inputs, state_units = self._prepared.get(
            self, lambda: (self.fast_inputs(), self.fast_state_units()), frames
        )
        spans = kept_spans(packing, keep)
        if spans is not None:
            inputs = [unit if unit.always_learns else unit._replace(spans=spans) for unit in inputs]
        return list(project(frames, inputs)), state_units

    def states(
        self, frames: Tensor, packing: Packing, start: Optional[State], keep: Keep = None
    ) -> State:
        """As :meth:`RecurrentLayer.states`, by the fast twin where it runs."""
        if not self.runs_fast(packing):
            return self.naive_states(frames, packing, start, keep)
        projected, units = self.project(frames, packing, keep)
        return self.fast_states(projected, units, packing, start)


def autocast_frames(frames: Tensor) -> Tensor:
    """``frames`` in the precision that autocast asks for, if it is on."""
    device = frames.device.type
    if (
        torch.is_autocast_enabled(device)
        and frames.is_floating_point()
        and frames.dtype != torch.float64
    ):
        return frames.to(torch.get_autocast_dtype(device))
    return frames


def plain_batch_norm(norm: Optional[nn.Module]) -> bool:
    """Whether a norm is one that the fast twins know: none, or batch norm with its parameters."""
    return norm is None or (isinstance(norm, _BatchNorm) and norm.affine and norm.bias is not None)
