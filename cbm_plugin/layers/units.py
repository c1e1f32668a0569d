"""The recurrent units of the field, on maps and on vectors: RNN, LSTM, GRU.

Each is a loop of a few lines over time. What does not depend on the state (the input's half of
every gate) is computed for all items at once before it.
"""
from typing import List, Optional, Tuple

import torch
from torch import Tensor

from .initialisation import initialise_recurrence
from .norm import ACTIVATIONS, Norm, build_norm, check_activation, normalise
from .recurrent import RecurrentLayer, projection
from .sequence import State, per_frame


class RNN(RecurrentLayer):
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
    """

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = None,
                 activation: str = 'tanh', norm: Norm = None,
                 init: object = dict(type='xavier', gain=1.0)) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size)
        self.input_unit = projection(in_channels, hidden_channels, kernel_size)
        self.state_unit = projection(hidden_channels, hidden_channels, kernel_size, bias=False)
        self.norm = build_norm(norm, hidden_channels)
        self.activation = check_activation(activation)
        initialise_recurrence(init, self.input_unit, self.state_unit)

    def recurrence(self, x: Tensor, state: State,
                   valid: Optional[Tensor]) -> Tuple[Tensor, List[State]]:
        act = ACTIVATIONS[self.activation]
        states = [state]
        for t, u_t in enumerate(per_frame(self.input_unit, x).unbind(1)):
            pre = u_t + self.state_unit(states[-1])
            valid_t = None if valid is None else valid[:, t]
            states.append(act(normalise(self.norm, pre, valid_t)))
        return torch.stack(states[1:], dim=1), states  # type: ignore[arg-type]


class LSTM(RecurrentLayer):
    """Long short-term memory on vectors ``(N, T, C)``; gates in the order i, f, o, g, no peepholes.

    The state is ``(h, c)``. The forget gate's bias starts at 1, so that the cell keeps what it
    holds until it has learned otherwise.

    Args:
        in_channels, hidden_channels: C of input and output.
        kernel_size: None for vectors (the default), odd for maps.
        norm: on the four gates together, before their nonlinearities. Default None.
    """

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = None,
                 norm: Norm = None) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size)
        self.input_unit = projection(in_channels, 4 * hidden_channels, kernel_size)
        self.state_unit = projection(hidden_channels, 4 * hidden_channels, kernel_size, bias=False)
        self.norm = build_norm(norm, 4 * hidden_channels)
        initialise_recurrence(dict(type='xavier', gain=1.0), self.input_unit, self.state_unit)
        with torch.no_grad():
            self.input_unit.bias[hidden_channels:2 * hidden_channels] = 1.0

    def initial_state(self, x_t: Tensor) -> State:
        zeros = super().initial_state(x_t)
        return zeros, zeros

    def recurrence(self, x: Tensor, state: State,
                   valid: Optional[Tensor]) -> Tuple[Tensor, List[State]]:
        states = [state]
        for t, u_t in enumerate(per_frame(self.input_unit, x).unbind(1)):
            h, c = states[-1]
            gates = u_t + self.state_unit(h)
            gates = normalise(self.norm, gates, None if valid is None else valid[:, t])
            i, f, o, g = gates.chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            states.append((torch.sigmoid(o) * torch.tanh(c), c))
        return torch.stack([h for h, _ in states[1:]], dim=1), states


class GRU(RecurrentLayer):
    """Gated recurrent unit on vectors ``(N, T, C)``; the reset gate acts before the state weights.

    ``z, r = sigmoid(.)``, ``h~ = tanh(W x + U (r h))``, ``h = (1 - z) h + z h~``. The update gate's
    bias starts at -1, so that the state is kept until the layer has learned otherwise.

    Args:
        in_channels, hidden_channels: C of input and output.
        kernel_size: None for vectors (the default), odd for maps.
        norm: on gates and candidate, before their nonlinearities. Default None.
    """

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = None,
                 norm: Norm = None) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size)
        self.input_unit = projection(in_channels, 3 * hidden_channels, kernel_size)
        self.gate_unit = projection(hidden_channels, 2 * hidden_channels, kernel_size, bias=False)
        self.state_unit = projection(hidden_channels, hidden_channels, kernel_size, bias=False)
        self.gate_norm = build_norm(norm, 2 * hidden_channels)
        self.norm = build_norm(norm, hidden_channels)
        for unit in (self.state_unit, self.gate_unit):
            initialise_recurrence(dict(type='xavier', gain=1.0), self.input_unit, unit)
        with torch.no_grad():
            self.input_unit.bias[:hidden_channels] = -1.0

    def recurrence(self, x: Tensor, state: State,
                   valid: Optional[Tensor]) -> Tuple[Tensor, List[State]]:
        states = [state]
        width = self.hidden_channels
        for t, u_t in enumerate(per_frame(self.input_unit, x).unbind(1)):
            h = states[-1]
            valid_t = None if valid is None else valid[:, t]
            gates = normalise(self.gate_norm, u_t[:, :2 * width] + self.gate_unit(h), valid_t)
            z, r = torch.sigmoid(gates).chunk(2, dim=1)
            pre = normalise(self.norm, u_t[:, 2 * width:] + self.state_unit(r * h), valid_t)
            states.append((1 - z) * h + z * torch.tanh(pre))
        return torch.stack(states[1:], dim=1), states  # type: ignore[arg-type]


class ConvRNN(RNN):
    """:class:`RNN` on maps ``(N, T, C, H, W)``, with 3x3 kernels by default."""

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = 3,
                 **options: object) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, **options)  # type: ignore


class ConvLSTM(LSTM):
    """:class:`LSTM` on maps ``(N, T, C, H, W)``, with 3x3 kernels by default."""

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = 3,
                 **options: object) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, **options)  # type: ignore


class ConvGRU(GRU):
    """:class:`GRU` on maps ``(N, T, C, H, W)``, with 3x3 kernels by default."""

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: Optional[int] = 3,
                 **options: object) -> None:
        super().__init__(in_channels, hidden_channels, kernel_size, **options)  # type: ignore
