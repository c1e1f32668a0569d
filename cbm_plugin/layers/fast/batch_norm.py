"""Batch norm over groups of rows, forward and backward as plain functions."""

from typing import Callable, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

Spans = List[Tuple[int, int]]


class Statistics(NamedTuple):
    """What groups of rows were normalised with.

    Args:
        mean, invstd: ``(G, C)``, a row for each group.
        batch: they are the groups' own, so that they depend on the rows.
        eps: of the norm.
    """

    mean: Tensor
    invstd: Tensor
    batch: bool
    eps: float


def normalise(norm: _BatchNorm, x: Tensor, groups: Spans) -> Tuple[Tensor, Statistics]:
    """``norm`` of ``x (M, C, ...)``, group by group.

    In training each group has statistics of its own, and the running ones move once for each.
    """
    mean, variance = norm.running_mean, norm.running_var
    if not norm.training and mean is not None and variance is not None:
        invstd = torch.rsqrt(variance + norm.eps)
        statistics = Statistics(mean.clone()[None], invstd[None], False, norm.eps)
        return normalise_again(x, norm.weight, norm.bias, statistics, groups), statistics
    parts = []

    def train_group(i: int, rows: Tensor) -> Tensor:
        out, *part = _train_group(norm, rows)
        parts.append(part)
        return out

    out = _by_group(train_group, x, groups)
    means, invstds = zip(*parts)
    return out, Statistics(torch.stack(means), torch.stack(invstds), True, norm.eps)


def normalise_again(
    x: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    statistics: Statistics,
    groups: Spans,
) -> Tensor:
    """The output of :func:`normalise` once more."""

    def apply(i: int, rows: Tensor) -> Tensor:
        mean, invstd = statistics.mean[i], statistics.invstd[i]
        variance = (invstd**-2 - statistics.eps).clamp_min_(0)
        return torch.native_batch_norm(
            rows, weight, bias, mean, variance, False, 0.0, statistics.eps
        )[0]

    return _by_group(apply, x, groups if statistics.batch else [(0, len(x))])


def normalise_backward(
    weight: Tensor, statistics: Statistics, g: Tensor, x: Tensor, groups: Spans
) -> Tuple[Tensor, Tensor, Tensor]:
    """Gradients by ``x``, weight and bias, from that of the output, ``g``."""
    totals = [torch.zeros_like(weight), torch.zeros_like(weight)]
    batch, eps = statistics.batch, statistics.eps

    def back(i: int, rows: Tensor) -> Tensor:
        mean, invstd = statistics.mean[i], statistics.invstd[i]
        running = (None, None) if batch else (mean, (invstd**-2 - eps).clamp_min_(0))
        first, end = groups[i] if batch else (0, len(x))
        d_rows, *d_parameters = torch.ops.aten.native_batch_norm_backward(
            g[first:end], rows, weight, *running, mean, invstd, batch, eps, [True, True, True]
        )
        for total, part in zip(totals, d_parameters):
            total += part
        return d_rows

    return _by_group(back, x, groups if batch else [(0, len(x))]), totals[0], totals[1]


def _train_group(norm: _BatchNorm, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    if x.numel() == x.shape[1]:  # one value a channel has no variance: the bias, nothing learned
        mean = x.flatten().to(norm.weight.dtype)
        bias = norm.bias.to(x.dtype).view(1, -1, *[1] * (x.ndim - 2))
        return bias.expand_as(x).clone(), mean, torch.full_like(mean, norm.eps**-0.5)
    return torch.native_batch_norm(
        x,
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        True,
        _momentum(norm),
        norm.eps,
    )


def _momentum(norm: _BatchNorm) -> float:
    """Count the batch, and return how much it weighs in the running statistics."""
    if norm.num_batches_tracked is None:
        return 0.0
    norm.num_batches_tracked.add_(1)
    return 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum


def _by_group(function: Callable[[int, Tensor], Tensor], x: Tensor, groups: Spans) -> Tensor:
    """``function(i, rows)`` of each group, put together."""
    if len(groups) == 1:
        return function(0, x)
    out = torch.empty_like(x)
    for i, (start, end) in enumerate(groups):
        out[start:end] = function(i, x[start:end])
    return out
