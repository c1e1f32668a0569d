"""What a network is fed in training after its inputs: the truth, or its own predictions."""
from dataclasses import dataclass
from typing import Any, Dict, Optional, Union

import torch
from torch import Tensor

NAMED: Dict[str, dict] = dict(
    teacher=dict(start=1.0, end=1.0), feedback=dict(start=0.0, end=0.0),
    scheduled=dict(start=1.0, end=0.0))


@dataclass(frozen=True)
class Feeding:
    """How often a true frame is fed in place of a prediction, over the course of a training.

    Scheduled sampling (Bengio et al. 2015): the probability falls in a straight line from ``start``
    to ``end`` while the share of the training that is done goes from ``begin`` to ``until``. With 1
    all of it is teacher forcing, one pass over all frames; with 0 it is what testing does.

    Args:
        start, end: probabilities. Default 1 and 1.
        begin, until: shares of the training. Default 0 and 0.5: half of it is left to learn from
            what testing feeds.

    Raises:
        ValueError: a number lies outside 0..1, or ``until`` before ``begin``.
    """
    start: float = 1.0
    end: float = 1.0
    begin: float = 0.0
    until: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f'feeding.{name} is {value}, but must lie in 0..1')
        if self.until < self.begin:
            raise ValueError(f'feeding goes from begin={self.begin} until={self.until} of the '
                             'training: until must not be less')

    @classmethod
    def of(cls, config: Union[str, Dict[str, Any]]) -> 'Feeding':
        """From ``'teacher'``, ``'feedback'``, ``'scheduled'``, or ``dict(start=..., ...)``."""
        if isinstance(config, str):
            if config not in NAMED:
                raise ValueError(f"feeding '{config}' is unknown: use one of {sorted(NAMED)}, or "
                                 'dict(start=..., end=..., begin=..., until=...)')
            config = NAMED[config]
        unknown = sorted(set(config) - set(cls.__dataclass_fields__))
        if unknown:
            raise ValueError(f'feeding has no option {unknown}: use some of '
                             f'{sorted(cls.__dataclass_fields__)}')
        return cls(**config)

    def probability(self, done: float) -> float:
        """Of the truth, when a share ``done`` of the training is behind."""
        if done <= self.begin:
            return self.start
        if done >= self.until:
            return self.end
        way = (done - self.begin) / (self.until - self.begin)
        return self.start + way * (self.end - self.start)

    def draw(self, batch_size: int, steps: int, done: float) -> Optional[Tensor]:
        """Where the truth is fed: bool ``(batch_size, steps)``, or None for everywhere.

        Drawn from PyTorch's global generator, which ``SeedIterationHook`` seeds.
        """
        probability = self.probability(done)
        if probability >= 1 or steps < 1:
            return None
        return torch.rand(batch_size, steps) < probability
