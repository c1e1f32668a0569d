"""The head's aggregations while the video still runs: one decision after every frame."""
from collections import deque
from typing import Callable, Deque, Dict, Optional

import torch
from torch import Tensor
from torch.nn import functional as F

from .aggregation import AGGREGATIONS

Update = Callable[[Tensor], Tensor]
"""A frame's logits ``(K,)`` -> scores ``(K,)`` of all frames so far."""


class RunningMean:
    """Softmax of the mean logits so far."""

    def __init__(self) -> None:
        self.total: Optional[Tensor] = None
        self.count = 0

    def __call__(self, logits: Tensor) -> Tensor:
        """One more frame's logits ``(N, K)`` -> the scores so far."""
        # double: after a million frames a float32 sum has lost the last digits of each new frame
        self.total = logits.double() if self.total is None else self.total + logits
        self.count += 1
        return (self.total / self.count).softmax(-1).float()


class RunningVote:
    """Share of the frames so far that vote for each class."""

    def __init__(self) -> None:
        self.votes: Optional[Tensor] = None

    def __call__(self, logits: Tensor) -> Tensor:
        """One more frame's logits ``(N, K)`` -> the shares of the votes so far."""
        vote = F.one_hot(logits.argmax(-1), logits.shape[-1])
        self.votes = vote if self.votes is None else self.votes + vote
        return (self.votes.double() / self.votes.sum()).float()


class Last:
    """Softmax of the last frame's logits."""

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits ``(N, K)`` -> scores."""
        return logits.softmax(-1)


class Windowed:
    """Any aggregation, of the last frames alone."""

    def __init__(self, how: str, window: int) -> None:
        self.how = AGGREGATIONS[how]
        self.logits: Deque[Tensor] = deque(maxlen=window)

    def __call__(self, logits: Tensor) -> Tensor:
        """One more frame's logits ``(N, K)`` -> the scores of the window."""
        self.logits.append(logits)
        return self.how(torch.stack(tuple(self.logits)))


RUNNING: Dict[str, Callable[[], Update]] = {'mean': RunningMean, 'vote': RunningVote, 'last': Last}
"""Those that need no history."""


def running_scores(how: str, window: Optional[int] = None) -> Update:
    """A fresh running aggregation, in constant memory.

    Args:
        how: a name of :data:`~cbm_plugin.recognition.aggregation.AGGREGATIONS`.
        window: aggregate the last so many frames. Default None: all.

    Raises:
        ValueError: the name is unknown, the window is less than 1, or the aggregation needs all
            frames' logits and no window bounds them.
    """
    if how not in AGGREGATIONS:
        raise ValueError(f"aggregation '{how}' is unknown: use one of {sorted(AGGREGATIONS)}")
    if window is not None and window < 1:
        raise ValueError(f'window is {window}, but must be at least 1 frame, or None')
    if window is not None:
        return Windowed(how, window)
    if how not in RUNNING:
        raise ValueError(f"aggregation '{how}' needs the logits of all frames, which a stream "
                         'without an end cannot keep: give a window of so many frames, or use one '
                         f'of {sorted(RUNNING)}')
    return RUNNING[how]()
