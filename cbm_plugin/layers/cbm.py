"""The Context Bridge Module: one layer whose two flows train apart (section 3.1)."""

from typing import Callable, List, Literal, Optional, Tuple, TypeVar, Union

import torch
from torch import Tensor, nn

from . import fast
from .bridge import Bridge
from .fast import PreparedUnits, Unit, Units
from .initialisation import Init
from .merge import Merge
from .norm import Norm, in_training
from .packing import Packing, frames_of_step
from .recurrent import FastTwin, RecurrentLayer, autocast_frames
from .state import State, tensor_of
from .temporal_dropout import Keep, TemporalDropout
from .units import RNN, ConvRNN

Self = TypeVar('Self', bound='CBM')
MakeBridge = Callable[[int, int], nn.Module]
"""Another R from ``(in_channels, hidden_channels)``."""


class CBM(FastTwin):
    """One Context Bridge Module.

    ::

        r_t = act(norm(R x_t))                     representation flow, along depth
        s_t = sigmoid(norm(T [cut(x_t), s_{t-1}])) temporal flow, along time
        y_t = merge(r_t, s_t)

    The state is the gate ``s_t`` itself, not ``y_t``: the only path through time is ``s``.

    Args:
        in_channels, hidden_channels: C of input and output.
        kernel_size: of R and T; None for vectors. Default 3, the paper's.
        activation: of R. Default ``'relu'``, the standalone and prediction models'.
        norm: after R. Default ``'BN'``, the paper's for recognition.
        gate_norm: after T. Default None: the paper has BN there too, but one set of running
            statistics serves a first step with a zero state and all others badly, and evaluation
            swings from epoch to epoch (measured).
        merge: ``'product'`` (default, the paper's), ``'sum'``, ``'max'``, ``'concat'``.
        temporal_dropout: probability that T learns nothing through its input at a time step.
            Default 0.5, the paper's.
        stride: of R. T and its state stay at the input's resolution, where the past was seen; the
            gate is max-pooled 3x3 to R's (the standalone model's stem and stages).
        bridge_kernel_size: of R where it differs from T's. Default None: the same.
        statistics: of the norm after R, see :func:`~cbm_plugin.layers.norm.normalise_sequence`.
        init: of T, see :mod:`~cbm_plugin.layers.initialisation`. Default ``'near_identity'``: it
            learns to hold a cue for 12 frames within 100 updates, where Xavier with gain 3, the
            authors' and that of :data:`~cbm_plugin.layers.variants.VARIANTS`, needs several
            hundred (tests/layers/test_memory.py holds the task).
        bridge: builds another R from ``(in_channels, hidden_channels)``; False leaves the bridge
            out, and the layer is T alone: a stacked plain RNN or LSTM is this special case.
        temporal: builds another T from ``(in_channels, hidden_channels, kernel_size)``: any
            :class:`RecurrentLayer`, such as :class:`~cbm_plugin.layers.units.ConvLSTM`. Its
            output gates the bridge. Default: the sigmoid recurrence above.
        twin: see :class:`~cbm_plugin.layers.recurrent.RecurrentLayer`; T has the same.

    Raises:
        ValueError: an option is unknown or out of range; the message names what is allowed.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: Optional[int] = 3,
        *,
        activation: str = 'relu',
        norm: Norm = 'BN',
        gate_norm: Norm = None,
        merge: str = 'product',
        temporal_dropout: float = 0.5,
        stride: int = 1,
        bridge_kernel_size: Optional[int] = None,
        statistics: str = 'sequence',
        init: Init = 'near_identity',
        bridge: Union[MakeBridge, Literal[False], None] = None,
        temporal: Optional[Callable[..., RecurrentLayer]] = None,
        twin: str = 'fast',
    ) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, twin)
        if bridge is False and (merge != 'product' or stride != 1):
            raise ValueError(
                f"without a bridge there is nothing to merge ('{merge}') and nothing "
                f'with a stride ({stride}): leave both at their defaults'
            )
        self.bridge: Optional[Bridge] = None
        if bridge is not False:
            self.bridge = Bridge(
                in_channels,
                hidden_channels,
                bridge_kernel_size or kernel_size,
                stride,
                norm,
                activation,
                statistics,
                bridge,
            )
            self.merge = Merge(merge, hidden_channels, vectors=kernel_size is None)
        self.gate_pool = nn.MaxPool2d(3, stride, padding=1) if stride > 1 else None
        self.temporal_dropout = TemporalDropout(temporal_dropout)
        if temporal is None:
            self.temporal: RecurrentLayer = RNN(
                in_channels, hidden_channels, kernel_size, 'sigmoid', gate_norm, init
            )
        else:
            self.temporal = temporal(in_channels, hidden_channels, kernel_size)
        self.temporal.twin = twin
        self._prepared_step = PreparedUnits()

    def initial_state(self, x_t: Tensor) -> State:
        """T's zero state for one item ``x_t (N, C, ...)``."""
        return self.temporal.initial_state(x_t)

    def cell(self, x_t: Tensor, state: State) -> State:
        """T's: the bridge has no state."""
        return self.temporal.cell(x_t, state)

    def has_fast_twin(self) -> bool:
        """Whether R and T both have one."""
        return (
            self.bridge is not None
            and self.bridge.has_fast_twin()
            and self.temporal.has_fast_twin()
        )

    @property
    def flows(self) -> Tuple[Bridge, FastTwin]:
        """R and T, where both have a fast twin."""
        assert self.bridge is not None and isinstance(self.temporal, FastTwin)
        return self.bridge, self.temporal

    def fast_inputs(self) -> List[Unit]:
        """R and the input's half of T, which see the same frames."""
        bridge, temporal = self.flows
        return [bridge.fast_unit(), *temporal.fast_inputs()]

    def fast_state_units(self) -> List[Unit]:
        """T's: the bridge sees no state."""
        return self.flows[1].fast_state_units()

    def fast_states(
        self, projected: List[Tensor], units: List[Unit], packing: Packing, start: Optional[State]
    ) -> State:
        """T's, as :meth:`FastTwin.fast_states`."""
        return self.flows[1].fast_states(projected, units, packing, start)

    def recurrence(
        self, frames: Tensor, packing: Packing, start: Optional[State]
    ) -> Tuple[Tensor, State]:
        """As :meth:`RecurrentLayer.recurrence`: the merged flows, and the states of T."""
        keep = self.temporal_dropout(len(packing.batch_sizes))
        if self.runs_fast(packing):
            return self._fast(frames, packing, start, keep)
        states = self.temporal.states(frames, packing, start, keep)
        gate = self._pooled(self.temporal.output(states))
        if self.bridge is None:
            return gate, states
        bridge = self.bridge.naive if self.twin == 'naive' else self.bridge
        return self.merge(bridge(frames, packing), gate), states

    def step(self, x_t: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """One item: ``x_t (N, C, ...)`` -> ``y_t (N, hidden_channels, ...)`` and the new state."""
        if not self._streams() or not _fits(state, x_t, self.hidden_channels):
            return super().step(x_t, state)
        self._check_channels(x_t.shape[1], x_t)
        frames = autocast_frames(frames_of_step(x_t))
        (joined,), (state_unit,) = self._prepared_step.get(self, self._step_units, frames)
        past = None if state is None else tensor_of(state).to(frames.dtype)
        return fast.cbm_step(frames, past, joined, state_unit, self.flows[0].activation)

    def _streams(self) -> bool:
        """Whether a step is the short one: inference, and the paper's layer without a stride."""
        if (
            torch.is_grad_enabled()
            or self.training
            or self.twin != 'fast'
            or not self.has_fast_twin()
        ):
            return False
        bridge, temporal = self.flows
        return (
            isinstance(temporal, RNN)
            and type(temporal) in (RNN, ConvRNN)
            and temporal.activation == 'sigmoid'
            and in_training(bridge.norm) is None
            and in_training(temporal.norm) is None
            and self.merge.kind == 'product'
            and bridge.projection.weight.shape == temporal.input_unit.weight.shape
            and bridge.stride == 1
        )

    def _step_units(self) -> Units:
        bridge, temporal = self.fast_inputs()
        return [fast.join(bridge, temporal)], self.fast_state_units()

    def _fast(
        self, frames: Tensor, packing: Packing, start: Optional[State], keep: Keep
    ) -> Tuple[Tensor, State]:
        (z, *projected), units = self.project(frames, packing, keep)
        states = self.fast_states(projected, units, packing, start)
        bridge, temporal = self.flows
        gate = self._pooled(temporal.output(states))
        if self.merge.kind == 'product':
            return bridge.gated(z, gate, packing), states
        return self.merge(bridge.after_fast_unit(z, packing), gate), states

    def train(self: Self, mode: bool = True) -> Self:
        """As :meth:`RecurrentLayer.train`."""
        self._prepared_step.clear()
        return super().train(mode)

    def _pooled(self, gate: Tensor) -> Tensor:
        return gate if self.gate_pool is None else self.gate_pool(gate)


def _fits(state: Optional[State], x_t: Tensor, channels: int) -> bool:
    """Whether a state is one map for each of the frame's."""
    return state is None or (
        isinstance(state, Tensor) and state.shape == (x_t.shape[0], channels, *x_t.shape[2:])
    )
