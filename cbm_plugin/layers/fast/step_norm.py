"""Batch norm inside a recurrence: statistics of one step, since the next depends on them."""

from typing import List, Optional, Tuple

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from .batch_norm import Statistics, normalise, normalise_backward


class StepNorm:
    """Batch norm of one step's rows after another's, and back.

    Args:
        norm: in training, or None: then nothing is done or kept.
        rows: ``(M, C, ...)``: what is normalised is kept in a copy of these.
    """

    def __init__(self, norm: Optional[_BatchNorm], rows: Tensor) -> None:
        self.norm = norm
        self.kept = None if norm is None else torch.empty_like(rows)
        self.statistics: List[Statistics] = []

    def forward(self, rows: Tensor, start: int, end: int) -> None:
        """Normalise one step's rows in place."""
        if self.norm is None or self.kept is None:
            return
        self.kept[start:end] = rows
        out, statistics = normalise(self.norm, rows, [(0, end - start)])
        rows.copy_(out)
        self.statistics.append(statistics)


class StepNormBackward:
    """The gradients of a :class:`StepNorm`, last step first.

    Args:
        statistics: one for each step; empty where there is no norm.
        weight: of the norm.
        kept: what was normalised.
    """

    def __init__(
        self, statistics: List[Statistics], weight: Optional[Tensor], kept: Optional[Tensor]
    ) -> None:
        self.statistics, self.weight, self.kept = list(statistics), weight, kept
        self.totals: List[Tensor] = []
        if weight is not None:
            self.totals = [torch.zeros_like(weight), torch.zeros_like(weight)]

    def backward(self, g: Tensor, start: int, end: int) -> None:
        """Turn the gradient of one step's normalised rows, in place, into that of its rows."""
        if self.weight is None or self.kept is None:
            return
        dx, *parts = normalise_backward(
            self.weight, self.statistics.pop(), g, self.kept[start:end], [(0, end - start)]
        )
        g.copy_(dx)
        self.totals = [total + part for total, part in zip(self.totals, parts)]

    @property
    def gradients(self) -> Tuple[Optional[Tensor], Optional[Tensor]]:
        """By weight and bias."""
        d_weight, d_bias = self.totals or (None, None)
        return d_weight, d_bias
