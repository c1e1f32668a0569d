"""A training says what it holds, at moments when nothing is under way."""
import os
from typing import Optional

from mmengine.hooks import Hook
from mmengine.runner import Runner

from cbm_plugin.registry import HOOKS

from .resident import resident_bytes


@HOOKS.register_module()
class HeldMemoryHook(Hook):
    """Prints ``held ITERATION BYTES`` of the process and its workers.

    Between two iterations the tensors of neither are there: seen from outside, at any moment, these
    hide a growth of less than some MiB.

    Args:
        interval: iterations from one line to the next; the last one has a line too.
    """

    priority = 'LOWEST'  # after all that the training does between iterations

    def __init__(self, interval: int) -> None:
        self.interval = interval

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Print."""
        step = runner.iter + 1
        if step % self.interval == 0 or step == runner.max_iters:
            print(f'held {step} {resident_bytes(os.getpid())}', flush=True)
