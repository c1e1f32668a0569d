"""Switching the overlap scheme on."""

from typing import Any, Optional

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..registry import HOOKS
from .coherence import CoherenceSettings


@HOOKS.register_module()
class CoherenceHook(Hook):
    """Trains the clips of a sequence to agree on the frames they share.

    Without this hook the same config trains on plain clips: weight 0, state ``reset``. The weight
    in force is logged as ``coherence_weight``, the distance as ``coherence``, their product, which
    is part of ``loss``, as ``loss_coherence``.

    Under ``state='carry'`` a clip repeats what the one before it computed on the shared frames, so
    the distance is zero by construction, but for batch statistics: the hook says so when it is
    given a weight all the same.

    Args:
        weight: lambda. Default 0.8, the published one (polygons; both action trainers shipped 0).
        distance: ``'mse'`` (default, the paper's) or ``'kl'``.
        state: ``'reset'`` (default), ``'carry'`` or ``'last'``; see
            :class:`~cbm_plugin.overlap.coherence.CoherenceSettings`.
        warmup_epochs: the weight rises linearly from 0 over so many epochs, since outputs that
            mean nothing yet have nothing to agree on. Default 0: at once, as published.

    Raises:
        ValueError: an option is unknown or negative.
        TypeError: (before training) the model does not train clip by clip.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        weight: float = 0.8,
        distance: str = 'mse',
        state: str = 'reset',
        warmup_epochs: float = 0,
    ) -> None:
        self.settings = CoherenceSettings(weight, distance, state)
        if warmup_epochs < 0:
            raise ValueError(f'warmup_epochs is {warmup_epochs}, but must not be negative')
        self.warmup_epochs = warmup_epochs

    def before_train(self, runner: Runner) -> None:
        """Check the model, and say what a weight can do."""
        model = _unwrapped(runner)
        if not hasattr(model, 'coherence'):
            raise TypeError(
                f'CoherenceHook needs a model that trains clip by clip, got '
                f"{type(model).__name__}: set model.type to 'RecurrentRecognizer', or "
                'remove the hook'
            )
        if self.settings.state == 'carry' and self.settings.weight > 0:
            runner.logger.warning(
                f"CoherenceHook: weight={self.settings.weight} with state='carry' trains nothing:"
                ' clips that carry their state compute the same on shared frames. Use '
                "state='reset' or 'last', or weight=0"
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None
    ) -> None:
        """Set the weight of this iteration."""
        model = _unwrapped(runner)
        weight = self.settings.weight * self._ramp(runner)
        model.coherence = CoherenceSettings(weight, self.settings.distance, self.settings.state)
        runner.message_hub.update_scalar('train/coherence_weight', weight)

    def _ramp(self, runner: Runner) -> float:
        if self.warmup_epochs == 0:
            return 1.0
        epochs = runner.iter / len(runner.train_dataloader)
        return min(1.0, epochs / self.warmup_epochs)


def _unwrapped(runner: Runner) -> Any:
    """The model itself, of any class that has ``coherence``: :meth:`before_train` checks."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
