"""The end of a Context Bridge Module: ``y = act(norm(z)) * s``."""

from typing import Any, List, Optional, Tuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from .activations import ACTIVATE, ACTIVATE_BACKWARD
from .batch_norm import Statistics, normalise, normalise_again, normalise_backward
from .first_order import first_order
from .recipe import Recipe, attach

Spans = List[Tuple[int, int]]


def gated(
    z: Tensor, s: Tensor, norm: Optional[_BatchNorm], activation: str, groups: Spans
) -> Tensor:
    """``act(norm(z)) * s`` of ``z, s (M, C, ...)``; keeps nothing but these two for backward.

    Args:
        z: what R gave.
        s: the gate.
        norm: batch norm, or None.
        activation: ``'relu'``, ``'tanh'`` or ``'sigmoid'``.
        groups: spans of rows with batch statistics of their own.
    """
    if not torch.is_grad_enabled():
        r = z if norm is None else normalise(norm, z, groups)[0]
        return ACTIVATE[activation](r).mul_(s)
    parameters = (None, None) if norm is None else (norm.weight, norm.bias)
    kept: List[Recipe] = []
    y = _Gated.apply(z, s, *parameters, norm, activation, groups, kept)
    return attach(y, kept[0])


def _representation(
    z: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    statistics: Optional[Statistics],
    activation: str,
    groups: Spans,
) -> Tensor:
    """``r = act(norm(z))``, made again."""
    r = z.clone() if statistics is None else normalise_again(z, weight, bias, statistics, groups)
    return ACTIVATE[activation](r)


class _Gated(Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        s: Tensor,
        weight: Optional[Tensor],
        bias: Optional[Tensor],
        norm: Optional[_BatchNorm],
        activation: str,
        groups: Spans,
        kept: List[Recipe],
    ) -> Tensor:
        statistics: Optional[Statistics] = None
        if norm is None:
            r = z.clone()
        else:
            r, statistics = normalise(norm, z, groups)
        y = ACTIVATE[activation](r).mul_(s)
        ctx.statistics, ctx.activation, ctx.groups = statistics, activation, groups
        ctx.save_for_backward(z, s, weight, bias)

        def make(z: Tensor, s: Tensor, *parameters: Tensor) -> Tensor:
            weight, bias = parameters or (None, None)
            return _representation(z, weight, bias, statistics, activation, groups).mul_(s)

        kept.append(Recipe(make, (z, s) if norm is None else (z, s, weight, bias)))
        return y

    @staticmethod
    @first_order
    def backward(ctx: Any, g: Tensor) -> Tuple:
        z, s, weight, bias = ctx.saved_tensors
        r = _representation(z, weight, bias, ctx.statistics, ctx.activation, ctx.groups)
        dz = g * s
        ACTIVATE_BACKWARD[ctx.activation](dz, r)
        d_weight = d_bias = None
        if ctx.statistics is not None:
            dz, d_weight, d_bias = normalise_backward(weight, ctx.statistics, dz, z, ctx.groups)
        ds = r.mul_(g)
        return dz, ds, d_weight, d_bias, None, None, None, None
