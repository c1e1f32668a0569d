"""The memory of a long training on a CPU does not grow by what its allocators and forks keep."""
import ctypes
import gc
import os
import sys
from typing import Callable, Optional

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.autograd import profiler
from torch.autograd.profiler import record_function

from ..registry import HOOKS


class RecordedIfProfiled(record_function):
    """PyTorch's label of a piece of code for its profilers, made only while one of them runs."""

    def __enter__(self) -> record_function:
        self.is_profiled = torch.autograd._profiler_enabled()
        return super().__enter__() if self.is_profiled else self

    def __exit__(self, *raised: object) -> None:
        if self.is_profiled:
            super().__exit__(*raised)


@HOOKS.register_module()
class SteadyMemoryHook(Hook):
    """Five measures against growth that is no leak. None of them changes a number.

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
      What is free then is given back first: a page that is filled again while a worker shares it
      is there twice.
    - PyTorch labels each optimizer step and each batch for a profiler, whether there is one or
      not. The label is an object of C++ that is entered into a table of all such objects, between
      two entries anywhere in the heap: two of three iterations copied one more of the pages that
      are shared. While no profiler runs, there are no labels.
    - MMEngine keeps a million values of every number that it logs, and at every iteration copies
      all of them to add one. As many are kept as are looked at: by the windows of the log
      processor, over an epoch, or ``history``.

    Args:
        interval: iterations from one trim to the next. Default 50. What is needed again costs a
            page fault, so that every iteration would be too often.
        onednn_primitives: compiled operations that oneDNN keeps. Default 128: a network of fixed
            shapes has fewer (ResNet-50 in training: 90), and compiles each of them once. oneDNN
            reads it when it is first used in a process; ``ONEDNN_PRIMITIVE_CACHE_CAPACITY`` in the
            environment goes before.
        history: values that are kept, at least, of each logged number. Default 500. A window of
            ``'global'`` in the log processor needs all of them: then all are kept.

    Raises:
        ValueError: the interval or the history is below 1, or the primitives are below 0.
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 50, onednn_primitives: int = 128,
                 history: int = 500) -> None:
        if interval < 1:
            raise ValueError(f'interval is {interval}, but must be at least 1 iteration')
        if onednn_primitives < 0:
            raise ValueError(f'onednn_primitives is {onednn_primitives}, but must be at least 0 '
                             '(keep none)')
        if history < 1:
            raise ValueError(f'history is {history}, but must be at least 1 value')
        self.history = history
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
        self.trim(0)
        profiler.record_function = RecordedIfProfiled
        self.shorten_history(runner)  # of a resumed training

    def after_train(self, runner: Runner) -> None:
        """Undo what concerns the whole process: it may go on without the runner."""
        gc.unfreeze()
        profiler.record_function = record_function

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Trim, and bound the history, at every ``interval``-th iteration."""
        if self.every_n_train_iters(runner, self.interval):
            self.shorten_history(runner)
            self.trim(0)

    def shorten_history(self, runner: Runner) -> None:
        """Let no logged number keep more values than anything looks at."""
        length = needed_history(runner, self.history)
        for values in runner.message_hub.log_scalars.values():
            values.max_length = min(values.max_length, length)

    def after_train_epoch(self, runner: Runner) -> None:
        """Trim before the validation."""
        self.trim(0)


def needed_history(runner: Runner, least: int) -> int:
    """Values of a logged number that the log processor may look at, and no less than ``least``.

    It averages validations over all of their batches, whatever its windows are.
    """
    processor = runner.log_processor
    windows = [processor.window_size,
               *(one.get('window_size', 1) for one in processor.custom_cfg or ())]
    if 'global' in windows:
        return sys.maxsize
    loops = [runner.val_loop, *[runner.train_loop] * ('epoch' in windows)]
    epochs = [len(loop.dataloader) for loop in loops if loop is not None]
    return max(least, *epochs, *(window for window in windows if isinstance(window, int)))


def _malloc_trim() -> Callable[[int], object]:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # not glibc; Windows takes no None
        return lambda padding: None
