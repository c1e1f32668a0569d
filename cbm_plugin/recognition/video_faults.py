"""What becomes of videos that fail: they are counted, named, and stood in for."""
import os
import tempfile
from pathlib import Path
from typing import Dict, Iterable, Optional, Sequence, Tuple

import cv2
import numpy as np
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from ..files import write_whole
from ..registry import HOOKS
from ..synthetic.video import write_mp4

MAX_NAMED = 10
"""So many bad files are named in one message; the rest are counted."""

BLACK_FRAMES = 64
"""So many frames the black video has that stands in for a broken one."""


@HOOKS.register_module()
class VideoFaultHook(Hook):
    """Names every video that failed, once, counts them, and stops when they are too many.

    Args:
        max_share: of failed to drawn samples. Default 0.1: a list that is one tenth broken is a
            mistake, not bad luck. Judged from 20 samples on.

    Raises:
        RuntimeError: (in training) the share is exceeded.
    """

    def __init__(self, max_share: float = 0.1) -> None:
        if not 0 <= max_share <= 1:
            raise ValueError(f'max_share is {max_share}, but must lie in 0..1')
        self.max_share = max_share
        self.named: Dict[str, str] = {}
        self.drawn = self.failed = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Count this batch."""
        self._count(runner.logger, data_batch)
        if self.drawn >= 20 and self.failed > self.max_share * self.drawn:
            faults = some_names([': '.join(fault) for fault in self.named.items()])
            raise RuntimeError(
                f'{self.failed} of {self.drawn} videos drawn so far failed, more than max_share='
                f'{self.max_share} allows: repair them, take them off the list, or raise '
                f'VideoFaultHook.max_share. {faults}')

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                       outputs: Optional[Sequence] = None) -> None:
        """Count this batch, without stopping."""
        self._count(runner.logger, data_batch)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                        outputs: Optional[Sequence] = None) -> None:
        """Count this batch, without stopping."""
        self._count(runner.logger, data_batch)

    def after_train_epoch(self, runner: Runner) -> None:
        """Name what failed on the other processes, whose loggers are silent."""
        for faults in all_gather_object(self.named):
            self._name(runner.logger, faults.items())

    def after_run(self, runner: Runner) -> None:
        """Say how many there were, on all processes."""
        counts = all_gather_object((self.failed, self.drawn))
        failed, drawn = (sum(numbers) for numbers in zip(*counts))
        if failed:
            runner.logger.warning(f'{len(self.named)} videos failed, in {failed} of {drawn} draws: '
                                  f'{some_names(list(self.named))}')

    def _count(self, logger: MMLogger, data_batch: Optional[dict]) -> None:
        for sample in (data_batch or {}).get('data_samples', ()):
            faults = sample.metainfo.get('faults', ())
            self.drawn += 1 + len(faults)
            self.failed += len(faults)
            self._name(logger, faults)

    def _name(self, logger: MMLogger, faults: Iterable[Tuple[str, str]]) -> None:
        for name, message in faults:
            if name not in self.named:
                self.named[name] = message
                logger.warning(f'video failed and was replaced: {name}: {message}')


def black_video() -> str:
    """A file of black frames, which stands in for a broken one in testing."""
    path = _stand_in('mp4')
    if not os.path.isfile(path):
        write_mp4(path, np.zeros((BLACK_FRAMES, 240, 320, 3), np.uint8))
    return path


def black_image() -> str:
    """A black png, which stands in for every raw frame of a broken video in testing."""
    path = _stand_in('png')
    if not os.path.isfile(path):
        black = np.zeros((240, 320, 3), np.uint8)
        write_whole(Path(path), lambda draft: cv2.imwrite(str(draft), black))
    return path


def _stand_in(suffix: str) -> str:
    user = getattr(os, 'getuid', int)()  # Windows has no user numbers
    return os.path.join(tempfile.gettempdir(), f'cbm_plugin_black_{user}.{suffix}')


def some_names(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    rest = len(names) - MAX_NAMED
    return ', '.join(names[:MAX_NAMED]) + (f' and {rest} more' if rest > 0 else '')
