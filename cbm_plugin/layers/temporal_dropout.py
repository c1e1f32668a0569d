"""Temporal dropout: now and then T learns nothing through its input (section 3.1)."""
import torch
from torch import Tensor, nn


def temporal_dropout(x: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """``x (N, T, ...)`` itself, cut off from its past at some time steps.

    With probability ``p`` a time step of the whole batch passes no gradient back to ``x``. The
    values never change. Drawn from PyTorch's CPU generator, so that one seed gives the same cuts
    on every device.
    """
    if not training or p == 0 or not x.requires_grad:
        return x
    if p == 1:
        return x.detach()
    cut = torch.rand(x.shape[1]) < p
    if not cut.any():
        return x
    if cut.all():
        return x.detach()
    return torch.where(cut.to(x.device).view(1, -1, *[1] * (x.ndim - 2)), x.detach(), x)


class TemporalDropout(nn.Module):
    """:func:`temporal_dropout` with its rate.

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

    def forward(self, x: Tensor) -> Tensor:
        return temporal_dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f'p={self.p}'
