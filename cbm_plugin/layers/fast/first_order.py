"""What all backward passes written by hand have in common."""

from functools import wraps
from typing import Any, Callable

import torch


def first_order(backward: Callable) -> Callable:
    """A backward pass that cannot itself be differentiated, and says so.

    Raises:
        RuntimeError: (on calling it) with ``create_graph=True``.
    """

    @wraps(backward)
    def checked(ctx: Any, *gradients: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                'create_graph=True asks for second derivatives, which the fast recurrent layers do '
                "not have: build them with twin='naive', e.g. layer=dict(type='CBM', twin='naive')"
            )
        devices = [g.device.type for g in gradients if g is not None]
        if not devices:
            return (None,) * len(ctx.needs_input_grad)
        device = devices[0]
        if not torch.is_autocast_enabled(device):
            return backward(ctx, *gradients)
        with torch.autocast(device, enabled=False):  # each pass chose its precision in forward
            return backward(ctx, *gradients)

    return checked
