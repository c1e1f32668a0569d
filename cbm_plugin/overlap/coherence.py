"""The overlap coherence loss: two clips agree on the frames that both contain (section 3.2)."""

from dataclasses import dataclass
from typing import Callable, Dict

import torch
from torch import Tensor


def mean_squared_error(current: Tensor, previous: Tensor) -> Tensor:
    """Mean over the classes: ``(..., K)`` distributions -> ``(...)``. The paper's."""
    return (current - previous).square().mean(dim=-1)


def kl_divergence(current: Tensor, previous: Tensor) -> Tensor:
    """``KL(previous || current)``, in nats: ``(..., K)`` -> ``(...)``."""
    tiny = torch.finfo(current.dtype).tiny
    return (previous * (previous.clamp_min(tiny).log() - current.clamp_min(tiny).log())).sum(-1)


DISTANCES: Dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    'mse': mean_squared_error,
    'kl': kl_divergence,
}

STATE_POLICIES = ('reset', 'carry', 'last')


@dataclass(frozen=True)
class CoherenceSettings:
    """How the clips of a sequence hang together in training.

    Args:
        weight: lambda of the coherence loss. Default 0: off, as both action trainers were
            shipped; the polygon model's is 0.8.
        distance: ``'mse'`` (default, the paper's) or ``'kl'``.
        state: where a clip starts from. ``'reset'`` (default): zero, the authors' backbone model.
            ``'carry'``: the state of the frame just before it, aligned in time. ``'last'``: the
            state after the previous clip's last frame, even where the clip starts earlier, the
            authors' standalone model.

    Raises:
        ValueError: an option is unknown, or the weight negative.
    """

    weight: float = 0.0
    distance: str = 'mse'
    state: str = 'reset'

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError(f'the coherence weight is {self.weight}, but must not be negative')
        if self.distance not in DISTANCES:
            raise ValueError(
                f"distance '{self.distance}' is unknown: use one of {sorted(DISTANCES)}"
            )
        if self.state not in STATE_POLICIES:
            raise ValueError(
                f"state policy '{self.state}' is unknown: use one of {list(STATE_POLICIES)}"
            )


def overlap_distance(
    previous: Tensor,
    previous_start: Tensor,
    previous_length: Tensor,
    current: Tensor,
    start: Tensor,
    length: Tensor,
    distance: str = 'mse',
) -> Tensor:
    """Mean distance of two clips' outputs over the items that both contain, per sequence.

    Items are matched by their absolute position, never by their place in the clip.

    Args:
        previous: ``(N, T', ..., K)`` distributions of the earlier clip; it gets no gradient.
        previous_start: ``(N,)`` absolute position of each earlier clip's first item.
        previous_length: ``(N,)`` number of its items.
        current: ``(N, T, ..., K)`` of the later clip.
        start: ``(N,)`` absolute position of each later clip's first item.
        length: ``(N,)`` number of its items.
        distance: a key of :data:`DISTANCES`.

    Returns:
        ``(N,)``, zero where the clips share nothing.
    """
    steps = torch.arange(current.shape[1])
    place = start[:, None] + steps - previous_start[:, None]
    shared = (steps < length[:, None]) & (place >= 0) & (place < previous_length[:, None])
    shared, place = shared.to(current.device), place.to(current.device)
    rows = torch.arange(current.shape[0], device=current.device)[:, None]
    matched = previous.detach()[rows, place.clamp(0, previous.shape[1] - 1)]
    apart = (
        DISTANCES[distance](current, matched).flatten(2).mean(2)
        if current.ndim > 3
        else DISTANCES[distance](current, matched)
    )
    apart = apart.masked_fill(~shared, 0)
    return apart.sum(1) / shared.sum(1).clamp_min(1)
