"""Normalisation that padding cannot touch, over one time step or over the whole sequence."""
import math
from typing import Optional, Union

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

Norm = Union[str, dict, None]


class MaskedBatchNorm(_BatchNorm):
    """Batch normalisation whose statistics are those of the valid items alone.

    ``forward(x (M, C, ...), valid (M,) or None)``. Parameters, buffers and evaluation are
    :class:`torch.nn.BatchNorm2d`'s, and without padding so is training. With padding the valid
    items are normalised as if the others were not there; the others come out as zeros. A single
    value per channel, where PyTorch refuses to train, has no variance: it comes out as the bias
    and leaves the running statistics alone, since the last step of a ragged batch of vectors may
    hold one item only.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f'expected (M, C, ...), got the shape {tuple(x.shape)}')

    def forward(self, x: Tensor, valid: Optional[Tensor] = None) -> Tensor:
        if valid is None or not self.training:
            return self._normalise(x)
        out = torch.zeros_like(x)
        out[valid] = self._normalise(x[valid]).to(out.dtype)
        return out

    def _normalise(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return x * 0 + self.bias.view(-1, *[1] * (x.ndim - 2))
        return super().forward(x)


def build_norm(norm: Norm, channels: int) -> Optional[nn.Module]:
    """A norm from its name or config.

    Args:
        norm: None, ``'BN'`` (:class:`MaskedBatchNorm`), ``'GN'`` (groups: the largest of 8, 4, 2,
            1 that divides the channels), ``'LN'`` (one group), or a dict with one of these as
            ``type`` and the arguments of the PyTorch module.
        channels: C.

    Raises:
        ValueError: the name is unknown.
    """
    if norm is None:
        return None
    options = dict(type=norm) if isinstance(norm, str) else dict(norm)
    kind = options.pop('type')
    if kind == 'BN':
        return MaskedBatchNorm(channels, **options)
    if kind == 'GN':
        return nn.GroupNorm(options.pop('num_groups', math.gcd(channels, 8)), channels, **options)
    if kind == 'LN':
        return nn.GroupNorm(1, channels, **options)
    raise ValueError(f"norm '{kind}' is unknown: use None, 'BN', 'GN' or 'LN'")


def normalise(norm: Optional[nn.Module], x: Tensor, valid: Optional[Tensor]) -> Tensor:
    """``norm`` on ``x (M, C, ...)``, of which ``valid (M,)`` says what counts.

    Raises:
        TypeError: something replaced our batch norm by one that knows no padding.
    """
    if norm is None:
        return x
    if isinstance(norm, (nn.SyncBatchNorm, nn.modules.batchnorm._BatchNorm)) \
            and not isinstance(norm, MaskedBatchNorm):
        raise TypeError(
            f"a recurrent layer's batch norm was replaced by {type(norm).__name__}, which counts "
            "padding in its statistics: remove `sync_bn` from the config, or use norm='GN'")
    return norm(x, valid) if isinstance(norm, MaskedBatchNorm) else norm(x)


def normalise_sequence(norm: Optional[nn.Module], x: Tensor, valid: Optional[Tensor],
                       statistics: str) -> Tensor:
    """``norm`` on ``x (N, T, C, ...)``.

    Args:
        statistics: ``'sequence'`` takes batch statistics over all valid frames at once; ``'step'``
            over one time step after another, as in the authors' code (and updates the running
            ones T times). They differ in training with batch norm only.
    """
    if norm is None:
        return x
    if statistics == 'step' and norm.training and isinstance(norm, _BatchNorm):
        steps = [normalise(norm, x[:, t], None if valid is None else valid[:, t])
                 for t in range(x.shape[1])]
        return torch.stack(steps, dim=1)
    flat = None if valid is None else valid.flatten()
    return normalise(norm, x.flatten(0, 1), flat).unflatten(0, x.shape[:2])


def check_statistics(statistics: str) -> str:
    """``statistics`` itself, if there is such a mode."""
    if statistics not in ('sequence', 'step'):
        raise ValueError(f"statistics is '{statistics}': use 'sequence' (all frames at once) or "
                         "'step' (one time step after another, as the authors)")
    return statistics


ACTIVATIONS = {'relu': F.relu, 'tanh': torch.tanh, 'sigmoid': torch.sigmoid}


def check_activation(name: str) -> str:
    """``name`` itself, if there is such an activation."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation '{name}' is unknown: use one of {sorted(ACTIVATIONS)}")
    return name
