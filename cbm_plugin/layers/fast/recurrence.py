"""What the backward passes of all recurrences share."""

from typing import Optional

import torch
from torch import Tensor

from ..packing import Packing
from .linear_map import LinearMap


def state_weight_grad(
    state_map: LinearMap,
    states: Tensor,
    h0: Optional[Tensor],
    g: Tensor,
    packing: Packing,
    weight: Tensor,
) -> Optional[Tensor]:
    """The gradient by U of ``<g_t, U h_{t-1}>`` over all steps, in one convolution.

    The first step has a past only where ``h0`` is given.
    """
    first = packing.batch_sizes[0]
    total = None
    if len(g) > first:
        total = state_map.weight_grad(packing.previous(states), g[first:])[0]
    if h0 is not None:
        start = state_map.weight_grad(h0, g[:first])[0]
        total = start if total is None else total + start
    return None if total is None else total.to(weight.dtype)


def own(g: Tensor) -> Tensor:
    """A copy of ``g`` to write into, channels last."""
    layout = torch.channels_last if g.ndim == 4 else torch.contiguous_format
    return torch.empty_like(g, memory_format=layout).copy_(g)
