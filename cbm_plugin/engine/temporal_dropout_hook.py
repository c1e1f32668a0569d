"""A rate of temporal dropout that changes while a model trains."""
from typing import List, Optional

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..layers.temporal_dropout import TemporalDropout
from ..registry import HOOKS


@HOOKS.register_module()
class TemporalDropoutHook(Hook):
    """Moves the rate of temporal dropout of all layers from one value to another, linearly.

    The rate is a function of the iteration, so that a resumed run goes on as it would have. The
    layers' own ``temporal_dropout`` no longer counts. Logged as ``temporal_dropout``.

    Args:
        start: rate of the first iteration. Default 1: the representation flow learns first.
        end: rate of the last iteration. Default 0: at last the two flows learn together.

    Raises:
        ValueError: a rate lies outside 0..1, or (before training) no layer has temporal dropout.
    """

    priority = 'NORMAL'

    def __init__(self, start: float = 1.0, end: float = 0.0) -> None:
        for name, rate in (('start', start), ('end', end)):
            if not 0 <= rate <= 1:
                raise ValueError(f'{name} is {rate}, but a probability lies in 0..1')
        self.start, self.end = start, end

    def before_train(self, runner: Runner) -> None:
        """See that there is something to set."""
        if not _dropouts(runner):
            raise ValueError('TemporalDropoutHook: no layer of the model has temporal dropout: '
                             "use layers of type 'CBM', or remove the hook")

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: Optional[dict] = None) -> None:
        """Set the rate of this iteration."""
        share = runner.iter / max(1, runner.max_iters - 1)
        rate = self.start + (self.end - self.start) * min(1.0, share)
        for module in _dropouts(runner):
            module.p = rate
        runner.message_hub.update_scalar('train/temporal_dropout', rate)


def _dropouts(runner: Runner) -> List[TemporalDropout]:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return [module for module in model.modules() if isinstance(module, TemporalDropout)]
