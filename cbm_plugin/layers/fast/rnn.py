"""``h_t = act(norm(u_t + U h_{t-1}))``: with a sigmoid, the temporal flow of a CBM."""

from typing import Any, Optional, Tuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from ..packing import Packing
from .activations import ACTIVATE, ACTIVATE_BACKWARD
from .first_order import first_order
from .linear_map import LinearMap, linear_map
from .recurrence import own, state_weight_grad
from .step_norm import StepNorm, StepNormBackward
from .unit import Unit


def rnn(
    u: Tensor,
    unit: Unit,
    h0: Optional[Tensor],
    packing: Packing,
    activation: str,
    norm: Optional[_BatchNorm] = None,
) -> Tensor:
    """The states ``(M, C, ...)`` after each item.

    Args:
        u: ``(M, C, ...)``, the input's half; it is overwritten.
        unit: U.
        h0: ``(N, C, ...)``, longest sequence first, or None for zeros.
        packing: where each row stands.
        activation: ``'tanh'``, ``'sigmoid'`` or ``'relu'``.
        norm: batch norm in training; its statistics are those of one step.
    """
    state_map = unit.map_for(u)
    h0 = None if h0 is None else h0.to(u.dtype)
    if not torch.is_grad_enabled():
        return _run(u, state_map, h0, packing, activation, StepNorm(norm, u))
    parameters = (None, None) if norm is None else (norm.weight, norm.bias)
    return _RNN.apply(u, unit.weight, h0, *parameters, packing, activation, state_map, norm)


def _run(
    u: Tensor,
    state_map: LinearMap,
    h0: Optional[Tensor],
    packing: Packing,
    activation: str,
    norm: StepNorm,
) -> Tensor:
    """Turn ``u`` into the states, step by step."""
    past = h0
    for start, end in packing.spans:
        step = u[start:end]
        if past is not None:
            state_map.add(step, past[: end - start])
        norm.forward(step, start, end)
        past = ACTIVATE[activation](step)
    return u


class _RNN(Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        weight: Tensor,
        h0: Optional[Tensor],
        norm_weight: Optional[Tensor],
        norm_bias: Optional[Tensor],
        packing: Packing,
        activation: str,
        state_map: LinearMap,
        norm: Optional[_BatchNorm],
    ) -> Tensor:
        ctx.mark_dirty(u)
        ctx.packing, ctx.activation = packing, activation
        step_norm = StepNorm(norm, u)
        states = _run(u, state_map, h0, packing, activation, step_norm)
        ctx.statistics = step_norm.statistics
        ctx.save_for_backward(states, weight, h0, norm_weight, step_norm.kept)
        return states

    @staticmethod
    @first_order
    def backward(ctx: Any, g: Tensor) -> Tuple:
        states, weight, h0, *of_norm = ctx.saved_tensors
        state_map = linear_map(weight, states)
        norm = StepNormBackward(ctx.statistics, *of_norm)
        du = own(g)
        later: Optional[Tensor] = None
        for start, end in reversed(ctx.packing.spans):
            step = du[start:end]
            if later is not None:
                state_map.add_transposed(step[: len(later)], later)
            ACTIVATE_BACKWARD[ctx.activation](step, states[start:end])
            norm.backward(step, start, end)
            later = step
        d_weight = state_weight_grad(state_map, states, h0, du, ctx.packing, weight)
        d_h0 = None
        if later is not None and ctx.needs_input_grad[2]:
            d_h0 = torch.zeros_like(h0)
            state_map.add_transposed(d_h0, later)
        return (du, d_weight, d_h0, *norm.gradients, None, None, None, None)
