"""Training that resumes in the middle of an epoch."""
from mmengine.runner import EpochBasedTrainLoop

from ..registry import LOOPS


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """MMEngine's epoch loop, which after a resume goes on at the batch that comes next.

    The stock loop starts the epoch again, so that batches repeat. Needs a train sampler that can
    skip: ``sampler=dict(type='SeededSampler')``. In the config::

        train_cfg = dict(type='ResumableEpochLoop', max_epochs=...)
    """

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
