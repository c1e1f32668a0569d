"""The anticipation loss: confidence in the true class must not fall as more is seen."""
from typing import Optional

import torch
from torch import Tensor


def anticipation_loss(logits: Tensor, labels: Tensor, lengths: Optional[Tensor] = None) -> Tensor:
    """Penalty for every frame that is less sure of its class than some frame before it.

    ``2 * mean over sequences i and frames j of max(0, max_{k<j} z_ik - z_ij)``, where ``z_ik`` is
    frame k's raw logit of the class that frame j has. The first frame counts as zero. Where the
    label changes between j-1 and j, the term is the logit of the previous label, which should now
    fall (section 4.1; the authors' trainer, whose numbers it reproduces).

    Args:
        logits: ``(N, T, K)``.
        labels: ``(N, T)`` class of each frame, or ``(N,)`` of each sequence.
        lengths: ``(N,)``: the mean is over the frames that count. Default None: all T.

    Returns:
        A scalar.

    Raises:
        ValueError: the shapes do not belong together.
    """
    if labels.ndim == 1:
        labels = labels[:, None].expand(logits.shape[:2])
    if logits.ndim != 3 or labels.shape != logits.shape[:2]:
        raise ValueError(f'logits {tuple(logits.shape)} and labels {tuple(labels.shape)} must be '
                         '(N, T, K) and (N, T) or (N,)')
    steps = logits.shape[1]
    if steps == 1:
        return 0 * logits.sum()
    by_frame = labels[:, None, :].expand(-1, steps, -1)
    of_class = logits.gather(2, by_frame)  # (N, k, j): frame k's logit of frame j's class
    later = torch.ones(steps, steps, dtype=torch.bool, device=logits.device).triu(1)
    best_before = of_class.masked_fill(~later, -torch.inf).max(1).values[:, 1:]  # ties: one of them
    now = of_class.diagonal(dim1=1, dim2=2)[:, 1:]
    falls = torch.relu(best_before - now)
    previous = logits[:, 1:].gather(2, labels[:, :-1, None]).squeeze(2)
    changed = labels[:, 1:] != labels[:, :-1]
    terms = torch.where(changed, previous, falls)
    if lengths is None:
        return 2 * terms.sum() / labels.numel()
    lengths = lengths.to(logits.device)
    counts = torch.arange(1, steps, device=logits.device) < lengths[:, None]
    return 2 * terms.masked_fill(~counts, 0).sum() / lengths.sum()
