"""Training clip by clip: each clip's loss is back-propagated at once, and its graph freed.

Memory is that of one clip, whatever the length of the sequence; the gradients of all clips add up,
and the optimizer steps once. The loss of a batch is::

    L = mean over the K clips of L_task + weight * mean over the overlapping pairs of D

so that with K = 1 it is the ordinary loss, and a coherence weight means the same for every K. The
model supplies a forward pass over one clip; positions may be frames or vertices.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ContextManager, Dict, List, NamedTuple, Optional, Protocol, Sequence

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from ..layers.state import State, detach_state, map_state
from .coherence import CoherenceSettings, overlap_distance
from .plan import ClipPlan, check_same_number_of_clips


@dataclass(frozen=True)
class BatchClip:
    """Clip number ``index`` of every sequence of a batch.

    Args:
        index: k.
        starts: ``(N,)`` absolute position of its first item.
        lengths: ``(N,)`` number of its items.
        offsets: ``(N,)`` where its first item stands among the positions of the plan.
        state_at: ``(N, Q)`` items after which a later clip starts, or None.
    """

    index: int
    starts: Tensor
    lengths: Tensor
    offsets: Tensor
    state_at: Optional[Tensor]


class ClipOutput(NamedTuple):
    """What a model makes of one clip.

    Args:
        losses: by name, as MMEngine's models return them.
        probabilities: ``(N, T, ..., K)`` distribution per item, for the coherence loss.
        state: at the end of the clip, or after ``state_at`` items.
    """

    losses: Dict[str, Tensor]
    probabilities: Tensor
    state: State


class ForwardClip(Protocol):
    """The forward pass over one clip, from a state or from zero."""

    def __call__(self, clip: BatchClip, state: Optional[State]) -> ClipOutput:
        """The losses of ``clip``, and its state at the end or at ``clip.state_at``."""


@dataclass
class _Handover:
    """Which states an earlier clip hands to later ones: ``rows[q]`` of them to ``targets[q]``."""

    targets: List[int]
    rows: List[Tensor]
    state_at: Tensor


def batch_clips(plans: Sequence[ClipPlan]) -> List[BatchClip]:
    """The clips of a batch of plans, without states."""
    number = check_same_number_of_clips(plans)
    offsets = torch.tensor([plan.offsets for plan in plans])
    spans = torch.tensor([[list(clip) for clip in plan.clips] for plan in plans])
    return [
        BatchClip(k, spans[:, k, 0], spans[:, k, 1] - spans[:, k, 0], offsets[:, k], None)
        for k in range(number)
    ]


class _StateKeeper:
    """Hands each clip the state that its policy asks for."""

    def __init__(self, policy: str, plans: Sequence[ClipPlan]) -> None:
        self.policy = policy
        self.plans = plans
        self.waiting: Dict[int, State] = {}

    def handover(self, clip: BatchClip) -> Optional[_Handover]:
        """The later clips that start from a state of this one (policy ``carry``)."""
        if self.policy != 'carry':
            return None
        targets, rows, at = [], [], []
        for later in range(clip.index + 1, len(self.plans[0].clips)):
            mine = torch.tensor([plan.state_source(later) == clip.index for plan in self.plans])
            if mine.any():
                starts = torch.tensor([plan.clips[later].start for plan in self.plans])
                targets.append(later)
                rows.append(mine)
                at.append(torch.where(mine, starts - clip.starts, 0))
        return _Handover(targets, rows, torch.stack(at, dim=1)) if targets else None

    def keep(self, clip: BatchClip, state: State, handover: Optional[_Handover]) -> None:
        """Store what the clip's forward pass handed out."""
        if self.policy == 'last':
            self.waiting[clip.index + 1] = detach_state(state)
        elif handover is not None:
            state = detach_state(state)
            for q, (target, rows) in enumerate(zip(handover.targets, handover.rows)):
                self._store(target, map_state(partial(torch.select, dim=1, index=q), state), rows)

    def take(self, clip: BatchClip) -> Optional[State]:
        """The state that the clip starts from; None is zero."""
        return self.waiting.pop(clip.index, None)

    def _store(self, target: int, state: State, rows: Tensor) -> None:
        before = self.waiting.get(target)

        def choose(new: Tensor, *old: Tensor) -> Tensor:
            mask = rows.to(new.device).view(-1, *[1] * (new.ndim - 1))
            return torch.where(mask, new, old[0] if old else torch.zeros_like(new))

        self.waiting[target] = (
            map_state(choose, state) if before is None else map_state(choose, state, before)
        )


def train_clips(
    model: Any,
    plans: Sequence[ClipPlan],
    forward_clip: ForwardClip,
    optim_wrapper: OptimWrapper,
    settings: CoherenceSettings,
) -> Dict[str, Tensor]:
    """One training step over all clips of a batch of sequences.

    Args:
        model: the model or its distributed wrapper; gives ``parse_losses`` (itself or its
            ``module``) and, when distributed, ``no_sync``.
        plans: one per sequence, all with the same number of clips.
        forward_clip: runs the model over one clip.
        optim_wrapper: accumulation, clipping and mixed precision are its own; the whole step
            counts as one of its iterations.
        settings: coherence weight, distance and state policy.

    Returns:
        What is logged: ``loss``, ``loss_coherence`` (weighted), ``coherence`` (the distance
        itself, as soon as clips overlap), and the model's own entries, averaged over the clips.
    """
    clips = batch_clips(plans)
    parse_losses = getattr(model, 'module', model).parse_losses
    states = _StateKeeper(settings.state, plans)
    pair_weight = _pair_weights(plans)
    count = optim_wrapper.inner_count
    logs: List[Dict[str, Tensor]] = []
    previous: Optional[tuple] = None
    for clip in clips:
        last = clip.index == len(clips) - 1
        optim_wrapper._inner_count = count  # each backward adds 1: the batch is one, not K
        handover = states.handover(clip)
        if handover is not None:
            clip = replace(clip, state_at=handover.state_at)
        with optim_wrapper.optim_context(model), _no_sync(model, last):
            output = forward_clip(clip, states.take(clip))
            task, log = parse_losses(output.losses)
            distance = _distance(previous, clip, output, pair_weight, settings)
            coherence = settings.weight * distance
            loss = task / len(clips) + coherence
        previous = (clip, output.probabilities.detach())
        states.keep(clip, output.state, handover)
        optim_wrapper.backward(optim_wrapper.scale_loss(loss))
        logs.append(
            {
                **log,
                'coherence': distance.detach(),
                'loss_coherence': coherence.detach(),
                'loss': loss.detach(),
            }
        )
        del output, task, loss, coherence, distance, log
    if optim_wrapper.should_update():
        optim_wrapper.step()
        optim_wrapper.zero_grad()
    return _summary(logs)


def _no_sync(model: Any, last: bool) -> ContextManager:
    """Gradients travel between processes once a step, with the last clip's."""
    return nullcontext() if last or not hasattr(model, 'no_sync') else model.no_sync()


def _pair_weights(plans: Sequence[ClipPlan]) -> Tensor:
    """``(N, K)``: the share of clip k's distance to the one before it in the batch's mean."""
    weights = torch.zeros(len(plans), len(plans[0].clips))
    for row, plan in zip(weights, plans):
        for k, _ in plan.pairs:
            row[k] = 1 / len(plan.pairs)
    return weights / len(plans)


def _distance(
    previous: Optional[tuple],
    clip: BatchClip,
    output: ClipOutput,
    pair_weight: Tensor,
    settings: CoherenceSettings,
) -> Tensor:
    current = output.probabilities
    share = pair_weight[:, clip.index].to(current.device)
    if previous is None or not bool(pair_weight[:, clip.index].any()):
        return current.new_zeros(())
    before, probabilities = previous
    if settings.weight == 0:
        current = current.detach()  # logged, not trained
    apart = overlap_distance(
        probabilities,
        before.starts,
        before.lengths,
        current,
        clip.starts,
        clip.lengths,
        settings.distance,
    )
    return (share * apart).sum()


def _summary(logs: List[Dict[str, Tensor]]) -> Dict[str, Tensor]:
    """Totals of what was added up over the clips, means of the model's own entries."""
    added = ('loss', 'coherence', 'loss_coherence')
    summary = {}
    for name in logs[0]:
        values = torch.stack([log[name].detach().float() for log in logs])
        summary[name] = values.sum() if name in added else values.mean()
    return summary
