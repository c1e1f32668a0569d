"""Randomness as a function of what is being computed, not of what was computed before.

In the data: of (seed, epoch, sample index). In the model: of (seed, iteration, rank). So nothing
has to be saved for a resumed run to repeat the draws of an uninterrupted one, whatever the number
of workers.
"""
import hashlib
import itertools
import random
from typing import Iterator, Optional, Sized

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..registry import DATA_SAMPLERS, HOOKS


def derive_seed(*parts: object) -> int:
    """A seed in 0..2**32 - 1 from numbers and names; different parts give unrelated seeds."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:4], 'little')


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators, which transforms and layers use."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class SampleIndex(int):
    """The index of a sample that also knows the seed and the epoch it is drawn in.

    An int to every data set; MMEngine's hand it on to the transforms as ``sample_idx``. It travels
    to worker processes with each batch, where an epoch counter would not.
    """

    seed: int
    epoch: int

    def __new__(cls, index: int, seed: int = 0, epoch: int = 0) -> 'SampleIndex':
        """An index that also knows seed and epoch."""
        self = super().__new__(cls, index)
        self.seed, self.epoch = seed, epoch
        return self


def seed_sample(index: int) -> None:
    """Seed all generators for one sample, if its index says how (training); else do nothing."""
    if isinstance(index, SampleIndex):
        seed_everything(derive_seed('sample', index.seed, index.epoch, int(index)))


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """MMEngine's ``DefaultSampler`` whose indices carry seed and epoch, and which can skip.

    Args:
        dataset: the data set.
        shuffle: default True.
        seed: MMEngine's runner passes its own. Default None: one drawn for all processes.
        round_up: see ``DefaultSampler``.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: Optional[int] = None,
                 round_up: bool = True) -> None:
        super().__init__(dataset, shuffle, seed, round_up)
        self._skip = 0

    def skip(self, samples: int) -> None:
        """Leave out so many samples at the start of the next epoch: they were trained before."""
        self._skip = samples

    def __iter__(self) -> Iterator[int]:
        skip, self._skip = self._skip, 0
        for index in itertools.islice(super().__iter__(), skip, None):
            yield SampleIndex(index, self.seed, self.epoch)


@HOOKS.register_module()
class SeedIterationHook(Hook):
    """Seeds the model's randomness (dropout, temporal dropout) anew at every iteration.

    The seed is a function of the run's seed, the iteration and the rank.
    """
    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: Optional[dict] = None) -> None:
        """Seed Python, NumPy and PyTorch."""
        seed_everything(derive_seed('iteration', runner.seed, runner.iter, get_rank()))
