"""The memory of a long training on a CPU does not grow by what its allocators and forks keep."""
import ctypes
import gc
import os
from typing import Callable, Optional

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..registry import HOOKS


@HOOKS.register_module()
class SteadyMemoryHook(Hook):
    """Three measures against growth that is no leak. None of them changes a number.

    - oneDNN compiles each convolution for its shape and keeps the last 1,024 of them. Clips of many
      lengths make new shapes at every iteration, so that in the default training these small pieces
      came and went all over the heap: 208 MB were in use, but glibc (2.36) held 1 GB after 188
      iterations and above 2 GB after 3,000. With fewer kept, the heap stays whole, and training is
      no slower.
    - What is free is given back to the system by ``malloc_trim``.
    - Loader workers are forks, which share the pages of the training process until one of the two
      writes into them. Python's collector of cyclic garbage writes into every object, again and
      again; what is there before the training is taken out of its sight (``gc.freeze``), so that
      its pages stay shared: 95 MB less (512, not 607) in the default training with four workers.

    Args:
        interval: iterations from one trim to the next. Default 50. What is needed again costs a
            page fault, so that every iteration would be too often.
        onednn_primitives: compiled operations that oneDNN keeps. Default 128: a network of fixed
            shapes has fewer (ResNet-50 in training: 90), and compiles each of them once. oneDNN
            reads it when it is first used in a process; ``ONEDNN_PRIMITIVE_CACHE_CAPACITY`` in the
            environment goes before.

    Raises:
        ValueError: the interval is below 1, or the primitives are below 0.
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 50, onednn_primitives: int = 128) -> None:
        if interval < 1:
            raise ValueError(f'interval is {interval}, but must be at least 1 iteration')
        if onednn_primitives < 0:
            raise ValueError(f'onednn_primitives is {onednn_primitives}, but must be at least 0 '
                             '(keep none)')
        self.interval = interval
        self.onednn_primitives = onednn_primitives
        self.trim = _malloc_trim()

    def before_run(self, runner: Runner) -> None:
        """Bound what oneDNN keeps, unless the environment does."""
        os.environ.setdefault('ONEDNN_PRIMITIVE_CACHE_CAPACITY', str(self.onednn_primitives))

    def before_train(self, runner: Runner) -> None:
        """Take what is there out of the collector's sight, before workers are forked."""
        gc.collect()  # garbage would stay for good
        gc.freeze()

    def after_train(self, runner: Runner) -> None:
        """Let the collector see everything again: the process may go on without the runner."""
        gc.unfreeze()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Trim at every ``interval``-th iteration."""
        if self.every_n_train_iters(runner, self.interval):
            self.trim(0)

    def after_train_epoch(self, runner: Runner) -> None:
        """Trim before the validation."""
        self.trim(0)


def _malloc_trim() -> Callable[[int], object]:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # not glibc; Windows takes no None
        return lambda padding: None
