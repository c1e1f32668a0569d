"""``z, r = sigmoid(.)``, ``n = tanh(u_t + U (r h))``, ``h_t = (1 - z) h_{t-1} + z n``."""

from typing import Any, Optional, Tuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from ..packing import Packing
from .activations import ACTIVATE_BACKWARD
from .first_order import first_order
from .linear_map import LinearMap, linear_map
from .recurrence import own
from .step_norm import StepNorm, StepNormBackward
from .unit import Unit

Norm = Optional[_BatchNorm]


def gru(
    u_gates: Tensor,
    u: Tensor,
    gate_unit: Unit,
    unit: Unit,
    h0: Optional[Tensor],
    packing: Packing,
    gate_norm: Norm = None,
    norm: Norm = None,
) -> Tensor:
    """The states ``(M, C, ...)`` after each item.

    Args:
        u_gates: ``(M, 2 C, ...)``, the input's half of z and r; it is overwritten.
        u: ``(M, C, ...)``, the input's half of the candidate; it is overwritten.
        gate_unit: of the state in the gates.
        unit: of the part of the state that r lets through.
        h0: ``(N, C, ...)``, longest sequence first, or None for zeros.
        packing: where each row stands.
        gate_norm: batch norm of the gates in training; its statistics are those of one step.
        norm: of the candidate, likewise.
    """
    maps = gate_unit.map_for(u), unit.map_for(u)
    h0 = torch.zeros_like(u[: packing.batch]) if h0 is None else h0.to(u.dtype)
    if not torch.is_grad_enabled():
        return _run(u_gates, u, maps, h0, packing, StepNorm(gate_norm, u_gates), StepNorm(norm, u))
    parameters = [
        p for n in (gate_norm, norm) for p in ((None, None) if n is None else (n.weight, n.bias))
    ]
    return _GRU.apply(
        u_gates, u, gate_unit.weight, unit.weight, h0, *parameters, packing, maps, (gate_norm, norm)
    )[0]


def _run(
    gates: Tensor,
    candidate: Tensor,
    maps: Tuple[LinearMap, LinearMap],
    h0: Tensor,
    packing: Packing,
    gate_norm: StepNorm,
    norm: StepNorm,
) -> Tensor:
    """Turn the two halves into gates and candidates, step by step, and give the states."""
    h = torch.empty_like(candidate)
    past = h0
    for start, end in packing.spans:
        past, zr, n = past[: end - start], gates[start:end], candidate[start:end]
        maps[0].add(zr, past)
        gate_norm.forward(zr, start, end)
        z, r = zr.sigmoid_().chunk(2, dim=1)
        maps[1].add(n, r * past)
        norm.forward(n, start, end)
        n.tanh_()
        past = torch.lerp(past, n, z, out=h[start:end])
    return h


class _GRU(Function):
    @staticmethod
    def forward(
        ctx: Any,
        u_gates: Tensor,
        u: Tensor,
        gate_weight: Tensor,
        weight: Tensor,
        h0: Tensor,
        *others: Any,
    ) -> Tuple[Tensor, Tensor, Tensor]:
        gate_norm_weight, _, norm_weight, _, packing, maps, norms = others
        ctx.mark_dirty(u_gates, u)
        ctx.packing = packing
        ctx.set_materialize_grads(False)
        steps = StepNorm(norms[0], u_gates), StepNorm(norms[1], u)
        h = _run(u_gates, u, maps, h0, packing, *steps)
        ctx.statistics = [step.statistics for step in steps]
        ctx.save_for_backward(
            u_gates,
            u,
            h,
            h0,
            gate_weight,
            weight,
            gate_norm_weight,
            steps[0].kept,
            norm_weight,
            steps[1].kept,
        )
        return h, u_gates, u

    @staticmethod
    @first_order
    def backward(ctx: Any, g: Optional[Tensor], *_: Optional[Tensor]) -> Tuple:
        gates, candidate, h, h0, gate_weight, weight, *of_norms = ctx.saved_tensors
        maps = linear_map(gate_weight, h), linear_map(weight, h)
        norms = [
            StepNormBackward(ctx.statistics[0], *of_norms[:2]),
            StepNormBackward(ctx.statistics[1], *of_norms[2:]),
        ]
        spans, first = ctx.packing.spans, ctx.packing.batch_sizes[0]
        dh = torch.zeros_like(h) if g is None else own(g)
        d_gates, d_candidate = torch.empty_like(gates), torch.empty_like(candidate)
        for t, (start, end) in reversed(list(enumerate(spans))):
            past = h[spans[t - 1][0] :][: end - start] if t else h0
            d_past = dh[spans[t - 1][0] :][: end - start] if t else torch.zeros_like(h0)
            step = slice(start, end)
            _step_backward(
                maps,
                norms,
                (start, end),
                dh[step],
                d_past,
                past,
                gates[step],
                candidate[step],
                d_gates[step],
                d_candidate[step],
            )
        pasts = h0 if len(h) == first else torch.cat([h0, ctx.packing.previous(h)])
        r = gates.chunk(2, dim=1)[1]
        d_gate_weight = maps[0].weight_grad(pasts, d_gates)[0].to(gate_weight.dtype)
        d_weight = maps[1].weight_grad(r * pasts, d_candidate)[0].to(weight.dtype)
        return (
            d_gates,
            d_candidate,
            d_gate_weight,
            d_weight,
            d_past if ctx.needs_input_grad[4] else None,
            *norms[0].gradients,
            *norms[1].gradients,
            None,
            None,
            None,
        )


def _step_backward(
    maps: Tuple[LinearMap, LinearMap],
    norms: list,
    span: Tuple[int, int],
    dh: Tensor,
    d_past: Tensor,
    past: Tensor,
    gates: Tensor,
    n: Tensor,
    d_gates: Tensor,
    d_n: Tensor,
) -> None:
    """Write a step's gradients, and add its share to its past's."""
    z, r = gates.chunk(2, dim=1)
    d_z, d_r = d_gates.chunk(2, dim=1)
    torch.mul(dh, z, out=d_n)
    d_past.add_(dh - d_n)
    d_z.copy_((n - past).mul_(dh))
    ACTIVATE_BACKWARD['tanh'](d_n, n)
    norms[1].backward(d_n, *span)
    d_through = torch.zeros_like(past)
    maps[1].add_transposed(d_through, d_n)
    d_past.addcmul_(d_through, r)
    d_r.copy_(d_through.mul_(past))
    ACTIVATE_BACKWARD['sigmoid'](d_gates, gates)
    norms[0].backward(d_gates, *span)
    maps[0].add_transposed(d_past, d_gates)
