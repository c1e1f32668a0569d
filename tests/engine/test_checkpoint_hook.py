"""Checkpoints are whole or not there, and the old ones go last."""
import multiprocessing
import os
import resource
import signal
from pathlib import Path
from typing import Any, List

import pytest
import torch
from mmengine.hooks import Hook

from cbm_plugin.engine.resume import read_whole

from .small_run import small_run


class SmallDisk(Hook):
    """From the second epoch on no file may be larger than what there is room for.

    Args:
        kills: whether the write that goes beyond it kills the process in its midst, or fails.
        when: the hook's method to do it in, ``'after_train_epoch'`` by default.
        room: so many bytes a file may have: 5,000, half a checkpoint, by default.
    """
    priority = 'HIGHEST'

    def __init__(self, kills: bool, when: str = 'after_train_epoch', room: int = 5000) -> None:
        self.kills, self.room = kills, room
        setattr(self, when, self.shrink)

    def shrink(self, runner: Any, metrics: Any = None) -> None:
        if runner.iter < 6:
            return
        if self.kills:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, resource.RLIM_INFINITY))


class SmallDiskAfterTheCheckpoint(SmallDisk):
    """It is whole, but there is no room for the note that names it."""

    def __init__(self) -> None:
        super().__init__(kills=True, when='after', room=10)

    def before_train(self, runner: Any) -> None:
        save = runner.save_checkpoint

        def save_and_shrink(*args: Any, **options: Any) -> None:
            save(*args, **options)
            self.shrink(runner)

        runner.save_checkpoint = save_and_shrink


class Death(Hook):
    """Kills the process at the first validation."""

    def before_val(self, runner: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def train_and_die(work_dir: Path, death: Hook, **checkpoint: Any) -> int:
    """Train two epochs in a process of its own; returns its exit code."""
    def train() -> None:
        runner = small_run(work_dir, **checkpoint)
        runner.logger.handlers = []  # its own file is larger
        runner.register_hook(death)
        try:
            runner.train()
        except OSError as error:
            (work_dir / 'error.txt').write_text(f'{type(error).__name__}: {error}')
            os._exit(1)

    process = multiprocessing.get_context('fork').Process(target=train)
    process.start()
    process.join(60)
    return process.exitcode


def names(work_dir: Path) -> List[str]:
    return sorted(path.name for path in work_dir.glob('[!.]*.pth'))


def drafts(work_dir: Path) -> List[Path]:
    return [path for path in work_dir.iterdir() if path.name.startswith('.')]


@pytest.mark.parametrize('kills, code', [(True, -signal.SIGXFSZ), (False, 1)],
                         ids=['a kill', 'a full disk'])
def test_a_checkpoint_cut_off_in_its_midst_is_not_there_and_the_one_before_it_stands(
        tmp_path: Path, kills: bool, code: int) -> None:
    assert train_and_die(tmp_path, SmallDisk(kills), save_best=None, max_keep_ckpts=1) == code
    assert names(tmp_path) == ['epoch_1.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_1.pth')
    assert read_whole(tmp_path / 'epoch_1.pth')['meta']['epoch'] == 1
    assert len(drafts(tmp_path)) == kills  # what a full disk cut off is tidied away


def test_a_note_of_the_last_checkpoint_cut_off_in_its_midst_is_the_one_before_it(
        tmp_path: Path) -> None:
    code = train_and_die(tmp_path, SmallDiskAfterTheCheckpoint(), save_best=None)
    assert code == -signal.SIGXFSZ and names(tmp_path) == ['epoch_1.pth', 'epoch_2.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_1.pth')


def test_a_full_disk_is_told_with_the_folder_what_stands_and_what_to_do(tmp_path: Path) -> None:
    train_and_die(tmp_path, SmallDisk(kills=False))
    assert (tmp_path / 'error.txt').read_text() == (
        f'CheckpointNotWritten: a checkpoint could not be written to {tmp_path} (File too large); '
        f'{tmp_path}/epoch_1.pth stands. Make room on the disk (or lower max_keep_ckpts), and go '
        'on with the same command and --resume')


def test_the_best_checkpoint_stands_until_a_better_one_is_written(tmp_path: Path) -> None:
    train_and_die(tmp_path, SmallDisk(kills=True, when='after_val_epoch'))
    assert names(tmp_path) == ['best_acc_top1_epoch_1.pth', 'epoch_1.pth', 'epoch_2.pth']
    assert 'state_dict' in read_whole(tmp_path / 'best_acc_top1_epoch_1.pth')


def test_what_a_kill_left_behind_is_tidied_away_by_the_next_start(tmp_path: Path) -> None:
    train_and_die(tmp_path, SmallDisk(kills=True))
    of_another = tmp_path / '.notes.pth'
    of_another.touch()
    assert len(drafts(tmp_path)) == 2
    small_run(tmp_path, resume=True).train()
    assert drafts(tmp_path) == [of_another]


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    small_run(tmp_path, epochs=4).train()
    assert names(tmp_path) == ['best_acc_top1_epoch_4.pth', 'epoch_3.pth', 'epoch_4.pth']


def test_a_resumed_run_deletes_what_a_kill_kept_from_being_deleted(tmp_path: Path) -> None:
    small_run(tmp_path, epochs=3).train()
    (tmp_path / 'epoch_1.pth').touch()  # as if killed between the third's coming and its going
    small_run(tmp_path, epochs=3, resume=True).train()
    assert names(tmp_path) == ['best_acc_top1_epoch_3.pth', 'epoch_2.pth', 'epoch_3.pth']


def test_a_finished_run_resumed_has_the_same_best_and_last(tmp_path: Path) -> None:
    small_run(tmp_path).train()
    before = {name: read_whole(tmp_path / name)['state_dict'] for name in names(tmp_path)}
    small_run(tmp_path, resume=True).train()
    assert names(tmp_path) == sorted(before)
    for name, weights in before.items():
        assert torch.equal(read_whole(tmp_path / name)['state_dict']['weight'], weights['weight'])


def test_published_files_hold_the_given_keys_alone(tmp_path: Path) -> None:
    small_run(tmp_path, published_keys=['meta', 'state_dict']).train()
    published = [name for name in names(tmp_path) if '-' in name]
    assert [name.split('-')[0] for name in published] == ['best_acc_top1_epoch_2', 'epoch_2']
    for name in published:
        assert sorted(torch.load(tmp_path / name)) == ['meta', 'state_dict']


def test_a_finished_run_resumed_publishes_the_last(tmp_path: Path) -> None:
    small_run(tmp_path, save_best=None).train()
    small_run(tmp_path, save_best=None, resume=True, published_keys=['state_dict']).train()
    assert [name.split('-')[0] for name in names(tmp_path) if '-' in name] == ['epoch_2']


@pytest.mark.parametrize('save_best', ['auto', None])
def test_a_validation_that_a_kill_came_before_is_made_up_for(tmp_path: Path, save_best: Any
                                                             ) -> None:
    def validations(work_dir: Path) -> list:
        runner = small_run(work_dir, resume=True, save_best=save_best)
        runner.train()
        return runner.message_hub.get_scalar('val/acc/top1').data[0].tolist()

    small_run(tmp_path / 'whole', save_best=save_best).train()
    train_and_die(tmp_path / 'killed', Death(), save_best=save_best)
    expected = read_whole(tmp_path / 'whole' / 'epoch_2.pth')['message_hub']['log_scalars']
    first = expected['val/acc/top1'].data[0].tolist()[0]
    made = validations(tmp_path / 'killed')
    assert len(made) == 2 and made[0] == first


def test_a_validation_that_was_made_is_not_made_again(tmp_path: Path) -> None:
    small_run(tmp_path).train()
    runner = small_run(tmp_path, resume=True)
    runner.train()
    assert len(runner.message_hub.get_scalar('val/acc/top1').data[0]) == 2
