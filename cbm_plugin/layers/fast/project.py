"""All that does not depend on the state, for all frames at once."""

from typing import Any, List, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.autograd import Function

from .first_order import first_order
from .linear_map import LinearMap, linear_map
from .recipe import Recipe, recipe_of, restore, save
from .unit import Spans, Unit


def project(frames: Tensor, units: Sequence[Unit]) -> Tuple[Tensor, ...]:
    """Each unit's output ``(M, out, ...)`` of the same ``frames (M, in, ...)``.

    In backward the units' gradients are summed up where the first one left its own.
    """
    maps = [unit.map_for(frames) for unit in units]
    if not torch.is_grad_enabled():
        return tuple(_apply(m, frames, unit.bias) for m, unit in zip(maps, units))
    parameters = [p for unit in units for p in (unit.weight, unit.bias)]
    return _Project.apply(
        frames,
        recipe_of(frames),
        maps,
        [unit.spans for unit in units],
        [unit.stride for unit in units],
        *parameters,
    )


def _apply(m: LinearMap, frames: Tensor, bias: Optional[Tensor]) -> Tensor:
    return m(frames, None if bias is None else bias.to(frames.dtype))


class _Project(Function):
    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        recipe: Recipe,
        maps: List[LinearMap],
        spans: List[Optional[Spans]],
        strides: List[int],
        *parameters: Any,
    ) -> Tuple[Tensor, ...]:
        ctx.spans, ctx.strides = spans, strides
        weights: Sequence[Tensor] = parameters[::2]
        biases: Sequence[Optional[Tensor]] = parameters[1::2]
        ctx.biases = [bias is not None for bias in biases]
        save(ctx, recipe, *weights)
        return tuple(_apply(m, frames, bias) for m, bias in zip(maps, biases))

    @staticmethod
    @first_order
    def backward(ctx: Any, *outer: Tensor) -> Tuple:
        frames, weights = restore(ctx)
        layout = torch.channels_last if frames.ndim == 4 else torch.contiguous_format
        gradients = [g.contiguous(memory_format=layout) for g in outer]
        maps = [linear_map(weight, frames, stride) for weight, stride in zip(weights, ctx.strides)]
        d_frames = None
        if ctx.needs_input_grad[0]:
            d_frames = _frames_grad(frames, gradients, maps, ctx.spans)
        d_parameters: List[Optional[Tensor]] = []
        for m, g, weight, biased in zip(maps, gradients, weights, ctx.biases):
            d_weight, d_bias = m.weight_grad(frames, g, biased)
            d_parameters += [
                d_weight.to(weight.dtype),
                d_bias.to(weight.dtype) if biased and d_bias is not None else None,
            ]
        return (d_frames, None, None, None, None, *d_parameters)


def _frames_grad(
    frames: Tensor,
    gradients: Sequence[Tensor],
    maps: Sequence[LinearMap],
    spans: Sequence[Optional[Spans]],
) -> Tensor:
    """The sum over the units of what reaches the frames."""
    everywhere = [i for i, rows in enumerate(spans) if rows is None]
    first = everywhere[0] if everywhere else None
    total = (
        torch.zeros_like(frames)
        if first is None
        else maps[first].transposed(gradients[first], frames)
    )
    for i, (m, g, rows) in enumerate(zip(maps, gradients, spans)):
        if i != first:
            for start, end in [(0, len(g))] if rows is None else rows:
                m.add_transposed(total[start:end], g[start:end])
    return total
