"""From scores per frame to one decision per video."""
from typing import Callable, Dict

import torch
from torch import Tensor
from torch.nn import functional as F


def mean(logits: Tensor) -> Tensor:
    """Softmax of the mean logits of all frames ``(T, K)`` -> ``(K,)``. What training optimises."""
    return logits.mean(0).softmax(-1)


def vote(logits: Tensor) -> Tensor:
    """Share of the frames that vote for each class."""
    return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype).mean(0)


def last(logits: Tensor) -> Tensor:
    """Softmax of the last frame's logits: what the network knows when it has seen everything."""
    return logits[-1].softmax(-1)


def last_half(logits: Tensor) -> Tensor:
    """Softmax of the mean logits of the later half of the frames (rounded up)."""
    return mean(logits[logits.shape[0] // 2:])


AGGREGATIONS: Dict[str, Callable[[Tensor], Tensor]] = {
    'mean': mean, 'vote': vote, 'last': last, 'last_half': last_half}


def aggregate(logits: Tensor, lengths: Tensor, how: str) -> Tensor:
    """Scores ``(N, K)`` of a batch of ``logits (N, T, K)``, of which ``lengths (N,)`` count."""
    return torch.stack([AGGREGATIONS[how](item[:length])
                        for item, length in zip(logits, lengths.tolist())])


def masked_mean(logits: Tensor, lengths: Tensor) -> Tensor:
    """Mean logits ``(N, K)`` of the frames that count."""
    steps = torch.arange(logits.shape[1])
    valid = (steps < lengths[:, None]).to(logits.device)
    total = logits.masked_fill(~valid[..., None], 0).sum(1)
    return total / lengths.to(logits)[:, None]
