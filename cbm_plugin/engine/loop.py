"""Training that resumes in the middle of an epoch, or before its validation."""
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from ..registry import LOOPS
from .checkpoint_hook import VALIDATED


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """MMEngine's epoch loop, which after a resume goes on with what comes next.

    That is the next batch: the stock loop starts the epoch again, so that batches repeat. Needs a
    train sampler that can skip: ``sampler=dict(type='SeededSampler')``. Or it is the validation
    of the epoch just ended, which comes after its checkpoint, and which the stock loop leaves out.
    :class:`WholeCheckpointHook` notes those that were made; without a note it is made (again). In
    the config::

        train_cfg = dict(type='ResumableEpochLoop', max_epochs=...)
    """

    def run(self) -> nn.Module:
        """Train and validate to the last epoch; returns the model."""
        self.runner.call_hook('before_train')
        if self._resumed_before_validation():
            self._validate_if_due()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate_if_due()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _resumed_before_validation(self) -> bool:
        at_an_end = self._epoch > 0 and self._iter == self._epoch * len(self.dataloader)
        return at_an_end and self.runner.message_hub.runtime_info.get(VALIDATED) != self._iter

    def _validate_if_due(self) -> None:
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()

    def run_epoch(self) -> None:
        """Train the rest of the current epoch."""
        done = self._iter - self._epoch * len(self.dataloader)
        left = len(self.dataloader) - done
        if done and left:
            self._skip(done)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if left:
            for idx, data_batch in enumerate(self.dataloader, start=done):
                self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _skip(self, batches: int) -> None:
        sampler = self.dataloader.sampler
        if not hasattr(sampler, 'skip'):
            raise TypeError(
                f'cannot resume after batch {batches} of an epoch: the sampler '
                f"{type(sampler).__name__} cannot skip. Set train_dataloader.sampler.type to "
                "'SeededSampler', or resume from a checkpoint written at the end of an epoch")
        sampler.skip(batches * self.dataloader.batch_size)
