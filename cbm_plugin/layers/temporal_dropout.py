"""Temporal dropout: now and then T learns nothing through its input (section 3.1)."""

from itertools import groupby
from typing import List, Optional, Sequence, Tuple

import torch
from torch import nn

from .packing import Packing

Keep = Optional[Sequence[bool]]
"""Of each time step, whether the gradient passes; None: at all of them."""


def draw_kept_steps(steps: int, p: float, training: bool) -> Keep:
    """At which of ``steps`` time steps the gradient reaches T's input.

    Each is cut with probability ``p``, for the whole batch. Drawn from PyTorch's CPU generator, so
    that one seed gives the same cuts on every device.
    """
    if not training or p == 0:
        return None
    if p == 1:
        return [False] * steps
    keep = (torch.rand(steps) >= p).tolist()
    return None if all(keep) else keep


def kept_spans(packing: Packing, keep: Keep) -> Optional[List[Tuple[int, int]]]:
    """The rows of the steps in ``keep``, neighbours put together; None: all rows."""
    if keep is None:
        return None
    return [
        (packing.offsets[steps[0]], packing.offsets[steps[-1] + 1])
        for kept, group in groupby(range(len(keep)), key=lambda t: keep[t])
        if kept
        for steps in [list(group)]
    ]


class TemporalDropout(nn.Module):
    """The rate at which a layer's temporal flow is cut off from its input in training.

    Args:
        p: probability of a cut. Default 0.5, the paper's best (section 5, analysis on TD rate).

    Raises:
        ValueError: ``p`` lies outside 0..1.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f'temporal_dropout is {p}, but a probability lies in 0..1')
        self.p = p

    def forward(self, steps: int) -> Keep:
        """See :func:`draw_kept_steps`."""
        return draw_kept_steps(steps, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability, within ``repr()``."""
        return f'p={self.p}'
