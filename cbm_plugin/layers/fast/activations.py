"""Activations in place, and their gradients out of what they gave."""

from typing import Callable, Dict

import torch
from torch import Tensor

_aten = torch.ops.aten


def _relu_backward(g: Tensor, y: Tensor) -> None:
    _aten.threshold_backward.grad_input(g, y, 0, grad_input=g)


def _tanh_backward(g: Tensor, y: Tensor) -> None:
    _aten.tanh_backward.grad_input(g, y, grad_input=g)


def _sigmoid_backward(g: Tensor, y: Tensor) -> None:
    _aten.sigmoid_backward.grad_input(g, y, grad_input=g)


ACTIVATE: Dict[str, Callable[[Tensor], Tensor]] = {
    'relu': torch.relu_,
    'tanh': torch.tanh_,
    'sigmoid': torch.sigmoid_,
}
"""Name -> the activation, in place."""

ACTIVATE_BACKWARD: Dict[str, Callable[[Tensor, Tensor], None]] = {
    'relu': _relu_backward,
    'tanh': _tanh_backward,
    'sigmoid': _sigmoid_backward,
}
"""Name -> ``(g, y)``: turns the gradient of the output ``y``, in place, into that of the input."""
