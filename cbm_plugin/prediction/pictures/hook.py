"""Pictures of the same sequences after every validation, to see a model learn."""
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from ...registry import HOOKS
from .animation import write_animation
from .differences import DifferenceColours
from .sequence import PicturedSequence
from .strips import write_strips


@HOOKS.register_module()
class PredictionPicturesHook(Hook):
    """Draws the first sequences of the data set as they are predicted in validation and test.

    Into ``work_dir/pictures/epoch_N`` (``iter_N`` where a training counts iterations; ``val`` or
    ``test`` where there is no training): ``strips.png`` with all of them, see
    :func:`~cbm_plugin.prediction.pictures.strips.draw_strips`, and ``sequence_0.gif``,
    ``sequence_1.gif``, ..., see :func:`~cbm_plugin.prediction.pictures.animation.draw_animation`.
    Validation does not shuffle, so they are the same each time. In a distributed run they are the
    first of the share of rank 0, which alone draws. A failure to draw is logged and never ends a
    training.

    Args:
        num_samples: sequences to draw. Default 4.
        interval: draws in every so many validations of a training, and in its last. Default 1.
        folder: within the work dir.
        animate: write the animations too. Default True.
        difference: ``'signed'`` or ``'absolute'``. Default None: signed for grey frames, absolute
            for colour; see :class:`~cbm_plugin.prediction.pictures.differences.DifferenceColours`.
        difference_limit: of the colours' scale. Default 0.5. It is the same for all epochs, so
            that their pictures can be compared.

    Raises:
        ValueError: ``num_samples`` or ``interval`` is below 1, or the difference's options are
            out of their range.
    """

    priority = 'LOW'

    def __init__(self, num_samples: int = 4, interval: int = 1, folder: str = 'pictures',
                 animate: bool = True, difference: Optional[str] = None,
                 difference_limit: float = 0.5) -> None:
        if num_samples < 1 or interval < 1:
            raise ValueError(f'num_samples={num_samples} and interval={interval} must both be at '
                             'least 1: leave the hook out for no pictures')
        DifferenceColours.for_channels([1], difference, difference_limit)
        self.num_samples, self.interval = num_samples, interval
        self.folder, self.animate = folder, animate
        self.difference, self.difference_limit = difference, difference_limit
        self._training = False
        self._place: Optional[str] = None
        self._samples: List = []

    def before_train(self, runner: Runner) -> None:
        """From here on, a validation belongs to the training."""
        self._training = True

    def after_train(self, runner: Runner) -> None:
        """And no longer."""
        self._training = False

    def before_val_epoch(self, runner: Runner) -> None:
        """Decide whether this validation is drawn."""
        self._begin(_place_in_training(runner, self.interval) if self._training else 'val')

    def before_test_epoch(self, runner: Runner) -> None:
        """A test is always drawn."""
        self._begin('test')

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                       outputs: Optional[Sequence] = None) -> None:
        """Keep the first samples."""
        self._keep(outputs)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                        outputs: Optional[Sequence] = None) -> None:
        """Keep the first samples."""
        self._keep(outputs)

    def after_val_epoch(self, runner: Runner, metrics: Optional[dict] = None) -> None:
        """Draw them."""
        self._end(runner)

    def after_test_epoch(self, runner: Runner, metrics: Optional[dict] = None) -> None:
        """Draw them."""
        self._end(runner)

    def _begin(self, place: Optional[str]) -> None:
        self._place = place if is_main_process() else None
        self._samples = []

    def _keep(self, samples: Optional[Sequence]) -> None:
        if self._place is not None and samples:
            self._samples += samples[:self.num_samples - len(self._samples)]

    def _end(self, runner: Runner) -> None:
        if self._place is None:
            return
        folder = Path(runner.work_dir) / self.folder / self._place
        try:
            self._draw(folder)
        except Exception as error:
            runner.logger.warning(f'Drew no predictions: {type(error).__name__}: {error}')
        else:
            runner.logger.info(f'Pictures of predictions: {folder}')
        self._place, self._samples = None, []

    def _draw(self, folder: Path) -> None:
        sequences = [PicturedSequence.from_sample(sample) for sample in self._samples]
        options: Dict[str, Any] = dict(difference=self.difference,
                                       difference_limit=self.difference_limit)
        write_strips(folder / 'strips.png', sequences, **options)
        for number, sequence in enumerate(sequences if self.animate else ()):
            write_animation(folder / f'sequence_{number}.gif', sequence, **options)


def _place_in_training(runner: Runner, interval: int) -> Optional[str]:
    """Name of the folder; None where this validation is not drawn."""
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    done, last = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    if (done // loop.val_interval) % interval and done != last:
        return None
    return f'{"epoch" if by_epoch else "iter"}_{done}'
