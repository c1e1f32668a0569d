"""What becomes of samples that fail in training: they are counted, named, and stood in for.

A data set that has :class:`SurvivingSamples` carries each fault in the sample that stands in for
the failed one, since nothing else leaves a worker process; :class:`SampleFaultHook` counts them.
"""
from abc import ABC, abstractmethod
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from ..registry import HOOKS
from .seeding import seed_sample

MAX_NAMED = 10
"""So many bad files are named in one message; the rest are counted."""

MAX_REPLACED = 20
"""So many samples in a row may fail: more is a fault of the list or the pipeline, not bad luck."""


class SurvivingSamples(ABC):
    """Samples that never fail; stands before MMEngine's ``BaseDataset`` among a data set's bases.

    Each sample is drawn with random numbers that depend on (seed, epoch, index) alone, when the
    sampler is a :class:`~cbm_plugin.engine.seeding.SeededSampler`. In training, a sample that fails
    is replaced by the next one that does not, which carries what failed in its ``faults``. In
    testing, a sample that fails is shown black: its label still counts, so that no score gets
    better by a broken file.

    A data set has :attr:`what`, :meth:`name_of` and :meth:`blacken`, and perhaps :meth:`reason`.
    """

    what: str = 'sample'
    """Its samples, in messages."""

    @abstractmethod
    def name_of(self, info: dict) -> str:
        """The file of a sample."""

    @abstractmethod
    def blacken(self, info: dict) -> None:
        """Let an entry show black instead of its file."""

    def reason(self, info: dict, error: Exception) -> str:
        """Why a sample failed."""
        return f'{type(error).__name__}: {short(error)}'

    @property
    def source(self) -> str:
        """Where its samples are listed."""
        return self.ann_file

    def prepare_data(self, idx: int) -> Any:
        """One sample, whatever happens to its file."""
        faults: List[Tuple[str, str]] = []
        for attempt in range(min(MAX_REPLACED, len(self))):
            # an index of the same draw, so that a replacement repeats too
            index = idx if attempt == 0 else type(idx)(
                (int(idx) + attempt) % len(self),
                **({} if type(idx) is int else dict(seed=idx.seed, epoch=idx.epoch)))
            seed_sample(index)
            info = self.get_data_info(index)
            name = self.name_of(info)
            try:
                return _with_faults(self.pipeline(info), faults)
            except Exception as error:  # decord, OpenCV and NumPy raise many kinds
                faults.append((name, self.reason(info, error)))
            if self.test_mode:
                return _with_faults(self._in_black(idx), faults)
        raise RuntimeError(f'none of the {len(faults)} {self.what}s tried of {self.source} can be '
                           f'read: {some_names([": ".join(fault) for fault in faults])}')

    def _in_black(self, idx: int) -> Any:
        info = self.get_data_info(idx)
        self.blacken(info)
        return self.pipeline(info)


@HOOKS.register_module()
class SampleFaultHook(Hook):
    """Names every sample that failed, once, counts them, and stops when they are too many.

    Args:
        max_share: of failed to drawn samples. Default 0.1: a list that is one tenth broken is a
            mistake, not bad luck. Judged from 20 samples on.

    Raises:
        RuntimeError: (in training) the share is exceeded.
    """

    what: str = 'sample'

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
                f'{self.failed} of {self.drawn} {self.what}s drawn so far failed, more than '
                f'max_share={self.max_share} allows: repair them, take them off the list, or raise '
                f'{type(self).__name__}.max_share. {faults}')

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
            runner.logger.warning(f'{len(self.named)} {self.what}s failed, in {failed} of {drawn} '
                                  f'draws: {some_names(list(self.named))}')

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
                logger.warning(f'{self.what} failed and was replaced: {name}: {message}')


def some_names(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    rest = len(names) - MAX_NAMED
    return ', '.join(names[:MAX_NAMED]) + (f' and {rest} more' if rest > 0 else '')


def short(error: BaseException) -> str:
    """The first line of an error's message, or its type."""
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _with_faults(packed: Any, faults: List[Tuple[str, str]]) -> Any:
    if faults:
        packed['data_samples'].set_metainfo(dict(faults=tuple(faults)))
    return packed
