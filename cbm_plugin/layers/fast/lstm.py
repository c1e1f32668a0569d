"""``i, f, o, g = norm(u_t + U h_{t-1})``, ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``."""

from typing import Any, Optional, Tuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from ..packing import Packing
from .activations import ACTIVATE_BACKWARD
from .first_order import first_order
from .linear_map import LinearMap, linear_map
from .recurrence import own, state_weight_grad
from .step_norm import StepNorm, StepNormBackward
from .unit import Unit


def lstm(
    u: Tensor,
    unit: Unit,
    start_state: Optional[Tuple[Tensor, Tensor]],
    packing: Packing,
    norm: Optional[_BatchNorm] = None,
) -> Tuple[Tensor, Tensor]:
    """Outputs and cells ``(M, C, ...)`` after each item.

    Args:
        u: ``(M, 4 C, ...)``, the input's half of the gates i, f, o, g; it is overwritten.
        unit: U.
        start_state: ``h, c (N, C, ...)``, longest sequence first, or None for zeros.
        packing: where each row stands.
        norm: batch norm in training; its statistics are those of one step.

    The cells keep float32 where the gates are bfloat16: they add up small changes.
    """
    state_map = unit.map_for(u)
    h0, c0 = (None, None) if start_state is None else start_state
    h0 = None if h0 is None else h0.to(u.dtype)
    if not torch.is_grad_enabled():
        return _run(u, state_map, h0, c0, packing, StepNorm(norm, u))
    parameters = (None, None) if norm is None else (norm.weight, norm.bias)
    return _LSTM.apply(u, unit.weight, h0, c0, *parameters, packing, state_map, norm)[:2]


def _gates(rows: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    i, f, o, g = rows.chunk(4, dim=1)
    return i, f, o, g


def _run(
    u: Tensor,
    state_map: LinearMap,
    h0: Optional[Tensor],
    c0: Optional[Tensor],
    packing: Packing,
    norm: StepNorm,
) -> Tuple[Tensor, Tensor]:
    """Turn ``u`` into the gates, step by step, and give outputs and cells."""
    width = u.shape[1] // 4
    h = torch.empty_like(u[:, :width])
    c = torch.empty_like(h, dtype=torch.promote_types(u.dtype, torch.float32))
    past_h, past_c = h0, c0
    for start, end in packing.spans:
        gates, cell, rows = u[start:end], c[start:end], end - start
        if past_h is not None:
            state_map.add(gates, past_h[:rows])
        norm.forward(gates, start, end)
        gates[:, : 3 * width].sigmoid_()
        gates[:, 3 * width :].tanh_()
        i, f, o, g = _gates(gates)
        if past_c is None:
            cell.copy_(i * g)
        else:
            torch.mul(past_c[:rows], f, out=cell)
            cell.addcmul_(i, g) if cell.dtype == i.dtype else cell.add_(i * g)
        h[start:end] = torch.tanh(cell).mul_(o)
        past_h, past_c = h[start:end], cell
    return h, c


class _LSTM(Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        weight: Tensor,
        h0: Optional[Tensor],
        c0: Optional[Tensor],
        norm_weight: Optional[Tensor],
        norm_bias: Optional[Tensor],
        packing: Packing,
        state_map: LinearMap,
        norm: Optional[_BatchNorm],
    ) -> Tuple[Tensor, Tensor, Tensor]:
        ctx.mark_dirty(u)
        ctx.packing = packing
        ctx.set_materialize_grads(False)
        step_norm = StepNorm(norm, u)
        h, c = _run(u, state_map, h0, c0, packing, step_norm)
        ctx.statistics = step_norm.statistics
        ctx.save_for_backward(u, h, c, weight, h0, c0, norm_weight, step_norm.kept)
        return h, c, u

    @staticmethod
    @first_order
    def backward(
        ctx: Any, g_h: Optional[Tensor], g_c: Optional[Tensor], _: Optional[Tensor]
    ) -> Tuple:
        gates, h, c, weight, h0, c0, *of_norm = ctx.saved_tensors
        state_map = linear_map(weight, gates)
        norm = StepNormBackward(ctx.statistics, *of_norm)
        dh = torch.zeros_like(h) if g_h is None else own(g_h)
        du = torch.empty_like(gates)
        later: Optional[Tensor] = None
        dc: Optional[Tensor] = None
        spans = ctx.packing.spans
        for t, (start, end) in reversed(list(enumerate(spans))):
            past_c = c[spans[t - 1][0] :][: end - start] if t else c0
            if later is not None:
                state_map.add_transposed(dh[start : start + len(later)], later)
            dc = _cell_grad(dc, None if g_c is None else g_c[start:end], c[start:end])
            later = du[start:end]
            dc = _step_backward(later, dh[start:end], dc, gates[start:end], c[start:end], past_c)
            norm.backward(later, start, end)
        d_weight = state_weight_grad(state_map, h, h0, du, ctx.packing, weight)
        d_h0 = None
        if later is not None and ctx.needs_input_grad[2]:
            d_h0 = torch.zeros_like(h0)
            state_map.add_transposed(d_h0, later)
        return (
            du,
            d_weight,
            d_h0,
            dc if ctx.needs_input_grad[3] else None,
            *norm.gradients,
            None,
            None,
            None,
        )


def _cell_grad(later: Optional[Tensor], g: Optional[Tensor], c: Tensor) -> Tensor:
    """What reaches a step's cells from the step after it (fewer rows) and from outside."""
    if later is not None and g is None and len(later) == len(c):
        return later
    total = torch.zeros_like(c) if g is None else own(g)
    if later is not None:
        total[: len(later)] += later
    return total


def _step_backward(
    du: Tensor, dh: Tensor, dc: Tensor, gates: Tensor, c: Tensor, past_c: Optional[Tensor]
) -> Tensor:
    """Write the gradient of a step's gates before their nonlinearities; return that of its past."""
    width = c.shape[1]
    i, f, o, g = _gates(gates)
    d_i, d_f, d_o, d_g = _gates(du)
    tanh_c = torch.tanh(c)
    d_o.copy_(tanh_c * dh)
    through = o * dh if c.dtype == o.dtype else (o * dh).to(c.dtype)
    ACTIVATE_BACKWARD['tanh'](through, tanh_c)
    dc = through.add_(dc)
    d_i.copy_(dc * g)
    d_g.copy_(dc * i)
    d_f.zero_() if past_c is None else d_f.copy_(dc * past_c)
    ACTIVATE_BACKWARD['sigmoid'](du[:, : 3 * width], gates[:, : 3 * width])
    ACTIVATE_BACKWARD['tanh'](d_g, g)
    return dc.mul_(f)
