"""Normalisation of packed frames: padding is not among them, so every norm is exact as it is."""

import math
from typing import Any, Callable, Dict, Optional, Tuple, Union

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from .packing import Packing, per_step

Norm = Union[str, dict, None]


class FrameBatchNorm(_BatchNorm):
    """Batch normalisation of frames ``(M, C, ...)``, maps or vectors.

    Parameters, buffers and results are :class:`torch.nn.BatchNorm2d`'s. A single value per channel,
    where PyTorch refuses to train, has no variance: it comes out as the bias and leaves the running
    statistics alone, since the last step of a ragged batch of vectors may hold one item only.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f'expected (M, C, ...), got the shape {tuple(x.shape)}')

    def forward(self, x: Tensor) -> Tensor:
        """``(M, C, ...)`` -> the same shape."""
        if self.training and x.numel() == x.shape[1]:
            zeros = x * 0
            return zeros if self.bias is None else zeros + self.bias.view(-1, *[1] * (x.ndim - 2))
        return super().forward(x)


def build_norm(norm: Norm, channels: int) -> Optional[nn.Module]:
    """A norm from its name or config.

    Args:
        norm: None, ``'BN'`` (:class:`FrameBatchNorm`), ``'GN'`` (groups: the largest of 8, 4, 2,
            1 that divides the channels), ``'LN'`` (one group), or a dict with one of these as
            ``type`` and the arguments of the PyTorch module.
        channels: C.

    Raises:
        ValueError: the name is unknown.
    """
    if norm is None:
        return None
    options: Dict[str, Any] = dict(type=norm) if isinstance(norm, str) else dict(norm)
    kind = options.pop('type')
    if kind == 'BN':
        return FrameBatchNorm(channels, **options)
    if kind == 'GN':
        return nn.GroupNorm(options.pop('num_groups', math.gcd(channels, 8)), channels, **options)
    if kind == 'LN':
        return nn.GroupNorm(1, channels, **options)
    raise ValueError(f"norm '{kind}' is unknown: use None, 'BN', 'GN' or 'LN'")


def normalise(norm: Optional[nn.Module], x: Tensor) -> Tensor:
    """``norm`` on ``x (M, C, ...)``.

    Raises:
        TypeError: something replaced our batch norm by a synchronised one.
    """
    norm = check_norm(norm)
    return x if norm is None else norm(x)


def check_norm(norm: Optional[nn.Module]) -> Optional[nn.Module]:
    """``norm`` itself, unless its statistics are synchronised between processes.

    Raises:
        TypeError: they are.
    """
    if isinstance(norm, nn.SyncBatchNorm):
        raise TypeError(
            f"a recurrent layer's batch norm was replaced by {type(norm).__name__}, which waits for"
            ' the other processes at every step, though their sequences may be shorter: remove '
            "`sync_bn` from the config, or use norm='GN'"
        )
    return norm


def normalise_sequence(
    norm: Optional[nn.Module], frames: Tensor, packing: Packing, statistics: str
) -> Tensor:
    """``norm`` on packed ``frames (M, C, ...)``.

    Args:
        norm: any, or None.
        frames: packed.
        packing: where each row stands.
        statistics: ``'sequence'`` takes batch statistics over all frames at once; ``'step'`` over
            one time step after another, as in the authors' code (and updates the running ones T
            times). They differ in training with batch norm only.
    """
    if norm is None:
        return frames
    if by_step(norm, statistics):
        return per_step(lambda rows: normalise(norm, rows), frames, packing.batch_sizes)
    return normalise(norm, frames)


def by_step(norm: Optional[nn.Module], statistics: str) -> bool:
    """Whether each time step is normalised with statistics of its own."""
    return statistics == 'step' and isinstance(norm, _BatchNorm) and norm.training


def batch_norm(norm: Optional[nn.Module]) -> Optional[_BatchNorm]:
    """``norm`` as the fast twins know it: batch norm, or None."""
    assert norm is None or isinstance(norm, _BatchNorm)  # has_fast_twin() saw to it
    return norm


def in_training(norm: Optional[nn.Module]) -> Optional[_BatchNorm]:
    """A batch norm where it takes batch statistics; None where it is a constant, or none."""
    norm = batch_norm(norm)
    if norm is not None and (norm.training or norm.running_mean is None):
        return norm
    return None


def fold(
    norm: Optional[nn.Module], weight: Tensor, bias: Optional[Tensor] = None
) -> Tuple[Tensor, Optional[Tensor]]:
    """Weight and bias of a unit, with the batch norm after it inside where that is a constant.

    Args:
        norm: batch norm, or None.
        weight: ``(out, in, ...)``.
        bias: ``(out,)``; None: another unit, whose output is added to this one's, has it.
    """
    norm = batch_norm(norm)
    if norm is None or norm.training or norm.running_mean is None or norm.running_var is None:
        return weight, bias
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    if bias is not None:
        bias = (bias - norm.running_mean) * scale + norm.bias
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), bias


def check_statistics(statistics: str) -> str:
    """``statistics`` itself, if there is such a mode."""
    if statistics not in ('sequence', 'step'):
        raise ValueError(
            f"statistics is '{statistics}': use 'sequence' (all frames at once) or "
            "'step' (one time step after another, as the authors)"
        )
    return statistics


ACTIVATIONS: Dict[str, Callable[[Tensor], Tensor]] = {
    'relu': F.relu,
    'tanh': torch.tanh,
    'sigmoid': torch.sigmoid,
}


def check_activation(name: str) -> str:
    """``name`` itself, if there is such an activation."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation '{name}' is unknown: use one of {sorted(ACTIVATIONS)}")
    return name
