"""The recurrent units of the field, on maps and on vectors: RNN, LSTM, GRU.

Each is a ``cell`` of a few lines, to be read, and its fast twin of :mod:`~cbm_plugin.layers.fast`.
"""

from typing import Any, List, Optional

import torch
from torch import Tensor, nn

from . import fast
from .fast import Unit
from .initialisation import PLAIN_XAVIER, Init, initialise_recurrence
from .norm import (
    ACTIVATIONS,
    Norm,
    build_norm,
    check_activation,
    check_norm,
    fold,
    in_training,
    normalise,
)
from .packing import Packing
from .recurrent import FastTwin, Projection, bias_of, plain_batch_norm, projection
from .state import State, pair_of, tensor_of


class _OneNorm(FastTwin):
    """A unit with one norm, on ``W x_t + U h_{t-1}`` as a whole."""

    input_unit: Projection
    state_unit: Projection
    norm: Optional[nn.Module]

    def has_fast_twin(self) -> bool:
        """Whether the norm is batch norm or none."""
        return plain_batch_norm(check_norm(self.norm))

    def fast_inputs(self) -> List[Unit]:
        """W, with a norm that is a constant inside."""
        return [Unit(*fold(self.norm, self.input_unit.weight, self.input_unit.bias))]

    def fast_state_units(self) -> List[Unit]:
        """U, likewise."""
        return [Unit(*fold(self.norm, self.state_unit.weight))]


class RNN(_OneNorm):
    """``h_t = act(norm(W x_t + U h_{t-1} + b))`` on vectors ``(N, T, C)``.

    With ``activation='sigmoid'`` it is the temporal flow T of the Context Bridge Module: its
    output is its state.

    Args:
        in_channels, hidden_channels: C of input and output.
        kernel_size: None for vectors (the default), odd for maps.
        activation: ``'tanh'`` (default), ``'sigmoid'`` or ``'relu'``.
        norm: before the activation; batch statistics are those of one time step, since the next
            one depends on them. Default None.
        init: see :mod:`~cbm_plugin.layers.initialisation`. Default Xavier with gain 1.
        twin: see :class:`~cbm_plugin.layers.recurrent.RecurrentLayer`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: Optional[int] = None,
        activation: str = 'tanh',
        norm: Norm = None,
        init: Init = PLAIN_XAVIER,
        twin: str = 'fast',
    ) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, twin)
        self.input_unit = projection(in_channels, hidden_channels, kernel_size)
        self.state_unit = projection(hidden_channels, hidden_channels, kernel_size, bias=False)
        self.norm = build_norm(norm, hidden_channels)
        self.activation = check_activation(activation)
        initialise_recurrence(init, self.input_unit, self.state_unit)

    def cell(self, x_t: Tensor, state: State) -> State:
        """One item: see the class."""
        pre = normalise(self.norm, self.input_unit(x_t) + self.state_unit(state))
        return ACTIVATIONS[self.activation](pre)

    def fast_states(
        self, projected: List[Tensor], units: List[Unit], packing: Packing, start: Optional[State]
    ) -> State:
        """The states ``(M, C, ...)`` after each item, by the fast twin."""
        (u,), (unit,) = projected, units
        h0 = None if start is None else tensor_of(start)
        return fast.rnn(u, unit, h0, packing, self.activation, in_training(self.norm))


class LSTM(_OneNorm):
    """Long short-term memory on vectors ``(N, T, C)``; gates in the order i, f, o, g, no peepholes.

    The state is ``(h, c)``. The forget gate's bias starts at 1, so that the cell keeps what it
    holds until it has learned otherwise.

    Args:
        in_channels, hidden_channels: C of input and output.
        kernel_size: None for vectors (the default), odd for maps.
        norm: on the four gates together, before their nonlinearities. Default None.
        twin: see :class:`~cbm_plugin.layers.recurrent.RecurrentLayer`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: Optional[int] = None,
        norm: Norm = None,
        twin: str = 'fast',
    ) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, twin)
        self.input_unit = projection(in_channels, 4 * hidden_channels, kernel_size)
        self.state_unit = projection(hidden_channels, 4 * hidden_channels, kernel_size, bias=False)
        self.norm = build_norm(norm, 4 * hidden_channels)
        initialise_recurrence(PLAIN_XAVIER, self.input_unit, self.state_unit)
        with torch.no_grad():
            bias_of(self.input_unit)[hidden_channels : 2 * hidden_channels] = 1.0

    def initial_state(self, x_t: Tensor) -> State:
        """Zeros; the cell adds up small changes, so it is never kept in half precision."""
        h = tensor_of(super().initial_state(x_t))
        return h, h.to(torch.promote_types(h.dtype, torch.float32))

    def cell(self, x_t: Tensor, state: State) -> State:
        """One item: ``x_t`` and ``(h, c)`` before it -> ``(h, c)`` after it."""
        h, c = pair_of(state)
        gates = normalise(self.norm, self.input_unit(x_t) + self.state_unit(h))
        i, f, o, g = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def output(self, states: State) -> Tensor:
        """``h``."""
        return pair_of(states)[0]

    def fast_states(
        self, projected: List[Tensor], units: List[Unit], packing: Packing, start: Optional[State]
    ) -> State:
        """Outputs and cells ``(M, C, ...)`` after each item, by the fast twin."""
        (u,), (unit,) = projected, units
        pair = None if start is None else pair_of(start)
        return fast.lstm(u, unit, pair, packing, in_training(self.norm))


class GRU(FastTwin):
    """Gated recurrent unit on vectors ``(N, T, C)``; the reset gate acts before the state weights.

    ``z, r = sigmoid(.)``, ``h~ = tanh(W x + U (r h))``, ``h = (1 - z) h + z h~``. The update gate's
    bias starts at -1, so that the state is kept until the layer has learned otherwise.

    Args:
        in_channels, hidden_channels: C of input and output.
        kernel_size: None for vectors (the default), odd for maps.
        norm: on gates and candidate, before their nonlinearities. Default None.
        twin: see :class:`~cbm_plugin.layers.recurrent.RecurrentLayer`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: Optional[int] = None,
        norm: Norm = None,
        twin: str = 'fast',
    ) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, twin)
        self.input_unit = projection(in_channels, 3 * hidden_channels, kernel_size)
        self.gate_unit = projection(hidden_channels, 2 * hidden_channels, kernel_size, bias=False)
        self.state_unit = projection(hidden_channels, hidden_channels, kernel_size, bias=False)
        self.gate_norm = build_norm(norm, 2 * hidden_channels)
        self.norm = build_norm(norm, hidden_channels)
        for unit in (self.state_unit, self.gate_unit):
            initialise_recurrence(PLAIN_XAVIER, self.input_unit, unit)
        with torch.no_grad():
            bias_of(self.input_unit)[:hidden_channels] = -1.0

    def cell(self, x_t: Tensor, state: State) -> State:
        """One item: see the class."""
        h, width = tensor_of(state), self.hidden_channels
        u_t = self.input_unit(x_t)
        gates = normalise(self.gate_norm, u_t[:, : 2 * width] + self.gate_unit(h))
        z, r = torch.sigmoid(gates).chunk(2, dim=1)
        candidate = normalise(self.norm, u_t[:, 2 * width :] + self.state_unit(r * h))
        return (1 - z) * h + z * torch.tanh(candidate)

    def has_fast_twin(self) -> bool:
        """Whether the norms are batch norms or none."""
        return plain_batch_norm(check_norm(self.norm))

    def fast_inputs(self) -> List[Unit]:
        """W of the gates and of the candidate, with norms that are constants inside."""
        weight, bias, width = self.input_unit.weight, bias_of(self.input_unit), self.hidden_channels
        return [
            Unit(*fold(self.gate_norm, weight[: 2 * width], bias[: 2 * width])),
            Unit(*fold(self.norm, weight[2 * width :], bias[2 * width :])),
        ]

    def fast_state_units(self) -> List[Unit]:
        """U of the gates and of the candidate, likewise."""
        return [
            Unit(*fold(self.gate_norm, self.gate_unit.weight)),
            Unit(*fold(self.norm, self.state_unit.weight)),
        ]

    def fast_states(
        self, projected: List[Tensor], units: List[Unit], packing: Packing, start: Optional[State]
    ) -> State:
        """The states ``(M, C, ...)`` after each item, by the fast twin."""
        (u_gates, u), (gate_unit, unit) = projected, units
        h0 = None if start is None else tensor_of(start)
        return fast.gru(
            u_gates,
            u,
            gate_unit,
            unit,
            h0,
            packing,
            in_training(self.gate_norm),
            in_training(self.norm),
        )


class ConvRNN(RNN):
    """:class:`RNN` on maps ``(N, T, C, H, W)``, with 3x3 kernels by default."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = 3, **options: Any
    ) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, **options)


class ConvLSTM(LSTM):
    """:class:`LSTM` on maps ``(N, T, C, H, W)``, with 3x3 kernels by default."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = 3, **options: Any
    ) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, **options)


class ConvGRU(GRU):
    """:class:`GRU` on maps ``(N, T, C, H, W)``, with 3x3 kernels by default."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = 3, **options: Any
    ) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, **options)
