"""One frame of a Context Bridge Module in inference, with as few calls as it takes."""

from typing import Optional, Tuple

import torch
from torch import Tensor

from .activations import ACTIVATE
from .unit import Unit


def join(bridge: Unit, temporal: Unit) -> Unit:
    """R and the input's half of T as one unit: small convolutions cost more to call than to run."""
    assert bridge.bias is not None and temporal.bias is not None  # what sees the input has one
    return Unit(
        torch.cat([bridge.weight, temporal.weight]), torch.cat([bridge.bias, temporal.bias])
    )


def cbm_step(
    x_t: Tensor, state: Optional[Tensor], joined: Unit, state_unit: Unit, activation: str
) -> Tuple[Tensor, Tensor]:
    """``y_t`` and ``s_t`` of one frame ``x_t (N, C, ...)``.

    Args:
        x_t: the frame.
        state: ``s_{t-1}``, or None for zeros.
        joined: see :func:`join`, prepared.
        state_unit: U, prepared.
        activation: of R.
    """
    r, u = joined.map_for(x_t)(x_t, joined.bias).chunk(2, dim=1)
    gate = (
        u.clone(memory_format=torch.preserve_format)
        if state is None
        else state_unit.map_for(x_t)(state).add_(u)
    )
    gate.sigmoid_()
    return ACTIVATE[activation](r) * gate, gate
