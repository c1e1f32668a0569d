"""Checkpoints that are there whole or not at all, whenever the training is killed."""
import hashlib
import os
import pickle
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from mmengine.dist import is_main_process, master_only
from mmengine.fileio import LocalBackend, get_file_backend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import CheckpointLoader, Runner, save_checkpoint

from ..files import remove_drafts, write_text, write_whole
from ..registry import HOOKS

VALIDATED = 'last_validation'
"""Key of the message hub: the iteration after which the last validation was made."""


class CheckpointNotWritten(OSError):
    """A checkpoint could not be written; the one before it is still there."""


class WholeFilesBackend(LocalBackend):
    """MMEngine's files on a disk, written whole; what is to be deleted can wait.

    MMEngine 0.10.7 writes into the file of the final name, and deletes the old before the new.
    """

    def __init__(self) -> None:
        self._waiting: Optional[List[str]] = None

    def put(self, obj: bytes, filepath: Any) -> None:
        """Write bytes into a file."""
        write_whole(Path(filepath), lambda draft: draft.write_bytes(obj))

    def remove(self, filepath: Any) -> None:
        """Delete a file, within :meth:`removing_last` at its end."""
        if self._waiting is None:
            super().remove(filepath)
        else:
            self._waiting.append(str(filepath))

    @contextmanager
    def removing_last(self) -> Iterator[List[str]]:
        """What is deleted within is deleted at the end, and not at all after an error."""
        self._waiting = waiting = []
        try:
            yield waiting
        finally:
            self._waiting = None
        for path in waiting:
            super().remove(path)


register_backend('whole', WholeFilesBackend, force=True)


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, but a kill or a full disk leaves no checkpoint in pieces.

    A checkpoint (of an epoch or an iteration, the best, a published one) is written beside its
    place, brought to the disk and renamed; then ``last_checkpoint`` names it, and only then is the
    oldest deleted. So there is a whole one at any time after the first, and with
    ``max_keep_ckpts=2`` another one before it, for ``--resume`` to fall back to.

    Each validation is noted in the checkpoints after it, so that :class:`ResumableEpochLoop` makes
    up for one that a kill came before. Drafts that killed runs left are deleted at the start.

    Options are those of MMEngine's hook. Files that are not on a disk (``out_dir='s3://...'``) are
    written as MMEngine does.

    Raises:
        CheckpointNotWritten: (in training) the disk is full or refuses, with the checkpoint that
            stands.
    """

    def before_train(self, runner: Runner) -> None:
        """See where checkpoints go, and which are there."""
        super().before_train(runner)
        if isinstance(self.file_backend, LocalBackend):
            self.backend_args = dict(backend='whole')
            self.file_backend = get_file_backend(backend_args=self.backend_args)
            if is_main_process():
                remove_drafts(Path(self.out_dir), '.pth')
        last = runner.message_hub.runtime_info.get('last_ckpt')
        if last is not None and os.path.dirname(last) == str(self.out_dir) and \
                self.file_backend.isfile(last):
            self.last_ckpt = last  # of a resumed run: what the best and the published go by

    def after_val_epoch(self, runner: Runner, metrics: Dict[str, float]) -> None:
        """Save the best checkpoint."""
        runner.message_hub.update_info(VALIDATED, runner.iter)
        super().after_val_epoch(runner, metrics)

    def _save_best_checkpoint(self, runner: Runner, metrics: Dict[str, float]) -> None:
        with self._explained(runner):
            if not isinstance(self.file_backend, WholeFilesBackend):
                super()._save_best_checkpoint(runner, metrics)
                return
            with self.file_backend.removing_last() as outdated:
                super()._save_best_checkpoint(runner, metrics)
                kept = self._best_checkpoints()
                outdated[:] = [path for path in outdated if path not in kept]

    def _best_checkpoints(self) -> List[Optional[str]]:
        return [getattr(self, 'best_ckpt_path', None),
                *getattr(self, 'best_ckpt_path_dict', {}).values()]

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save, note it as the last one, and then delete the oldest."""
        outdated = self._keep(runner, step)
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        with self._explained(runner):
            runner.save_checkpoint(
                self.out_dir, filename, self.file_client_args, save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
                backend_args=self.backend_args, **self.args)
            if is_main_process():
                write_text(Path(runner.work_dir) / 'last_checkpoint', self.last_ckpt)
                for old in outdated:
                    self._delete(self.filename_tmpl.format(old))

    def _keep(self, runner: Runner, step: int) -> List[int]:
        """Note which steps are kept from now on; returns those that go.

        The checkpoint itself still counts them in, so that a run killed before it deletes them
        does so when it is resumed (``before_train``).
        """
        if self.max_keep_ckpts <= 0 or list(self.keep_ckpt_ids)[-1:] == [step]:
            return []
        steps = [*self.keep_ckpt_ids, step]
        runner.message_hub.update_info('keep_ckpt_ids', steps)
        self.keep_ckpt_ids = deque(steps, self.max_keep_ckpts)
        return steps[:-self.max_keep_ckpts]

    def _delete(self, filename: str) -> None:
        path = self.file_backend.join_path(self.out_dir, filename)
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):
            self.file_backend.rmtree(path)

    @master_only
    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        """Save the ``published_keys`` alone, under a name with a hash of the whole."""
        checkpoint = CheckpointLoader.load_checkpoint(ckpt_path, map_location='cpu')
        sha = hashlib.sha256(pickle.dumps(checkpoint)).hexdigest()
        path = f'{os.path.splitext(ckpt_path)[0]}-{sha[:8]}.pth'
        published = {key: value for key, value in checkpoint.items() if key in self.published_keys}
        with self._explained(runner):
            save_checkpoint(published, path, backend_args=self.backend_args)
        runner.logger.info(f'The checkpoint ({ckpt_path}) is published to {path}.')

    @contextmanager
    def _explained(self, runner: Runner) -> Iterator[None]:
        try:
            yield
        except CheckpointNotWritten:
            raise
        except OSError as error:
            note = Path(runner.work_dir) / 'last_checkpoint'
            stands = f'{note.read_text()} stands' if note.is_file() else 'there is none before it'
            raise CheckpointNotWritten(
                f'a checkpoint could not be written to {self.out_dir} '
                f'({error.strerror or error}); {stands}. Make room on the disk (or lower '
                'max_keep_ckpts), and go on with the same command and --resume') from error
