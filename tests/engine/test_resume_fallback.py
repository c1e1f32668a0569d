"""A training goes on from the newest checkpoint that can be read whole."""
import os
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Callable

import pytest
import torch
from mmengine.config import Config

from cbm_plugin.engine.resume import newest_whole, read_whole

from ..tiny_run import ROOT
from .small_run import small_run


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('trained') / 'run'
    small_run(folder, epochs=3, max_keep_ckpts=3).train()
    return folder


@pytest.fixture
def work_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy with checkpoints of three epochs, and what else lies in a work dir."""
    folder = tmp_path / 'run'
    shutil.copytree(trained, folder)
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    torch.save(dict(loss=1.0), folder / 'nonfinite_iter_900.pth')
    return folder


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 3 // 4)


def empty(path: Path) -> None:
    path.write_bytes(b'')


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip_a_bit_of_a_weight(path: Path) -> None:
    content = bytearray(path.read_bytes())
    weight = torch.load(path)['state_dict']['weight'].numpy().tobytes()
    place = content.find(weight)
    assert place > 0
    content[place + 2] ^= 1
    path.write_bytes(content)


def replace_by_plain_weights(path: Path) -> None:
    torch.save(torch.load(path)['state_dict'], path)


@pytest.mark.parametrize('damage, said', [
    (cut, 'is broken'), (empty, 'is broken'), (zero, 'is broken'),
    (flip_a_bit_of_a_weight, 'the checksum of'),
    (replace_by_plain_weights, 'it lacks state_dict (weights), meta (epoch and iteration)')])
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_taken(
        work_dir: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(work_dir / 'epoch_3.pth')
    found = newest_whole(work_dir)
    assert found.path == work_dir / 'epoch_2.pth' and found.meta['epoch'] == 2
    assert len(found.broken) == 1
    assert str(work_dir / 'epoch_3.pth') in found.broken[0] and said in found.broken[0]


def test_torch_itself_does_not_notice_a_changed_weight(work_dir: Path) -> None:
    flip_a_bit_of_a_weight(work_dir / 'epoch_3.pth')
    torch.load(work_dir / 'epoch_3.pth')
    with pytest.raises(ValueError, match='the checksum of .*/data/0 is wrong'):
        read_whole(work_dir / 'epoch_3.pth')


def test_several_broken_ones_are_passed_over(work_dir: Path) -> None:
    cut(work_dir / 'epoch_3.pth')
    empty(work_dir / 'epoch_2.pth')
    found = newest_whole(work_dir)
    assert found.path == work_dir / 'epoch_1.pth' and len(found.broken) == 2


@pytest.mark.parametrize('note', ['', 'nowhere/epoch_9.pth', None])
def test_without_a_note_that_helps_the_highest_number_is_taken(work_dir: Path, note: str) -> None:
    if note is None:
        (work_dir / 'last_checkpoint').unlink()
    else:
        (work_dir / 'last_checkpoint').write_text(note)
    assert newest_whole(work_dir).path == work_dir / 'epoch_3.pth'


def test_a_work_dir_that_was_moved_is_resumed(work_dir: Path) -> None:
    moved = work_dir.rename(work_dir.with_name('moved'))
    (moved / 'last_checkpoint').write_text('elsewhere/epoch_2.pth')
    assert newest_whole(moved).path == moved / 'epoch_2.pth'


def test_those_of_an_earlier_longer_training_come_last(work_dir: Path) -> None:
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_2.pth'))
    cut(work_dir / 'epoch_2.pth')
    assert newest_whole(work_dir).path == work_dir / 'epoch_1.pth'
    cut(work_dir / 'epoch_1.pth')
    assert newest_whole(work_dir).path == work_dir / 'epoch_3.pth'


def test_a_work_dir_without_checkpoints_has_none_to_resume_from(tmp_path: Path) -> None:
    assert newest_whole(tmp_path) is None and newest_whole(tmp_path / 'missing') is None


def test_if_all_are_broken_each_is_named(work_dir: Path) -> None:
    for epoch in (1, 2, 3):
        empty(work_dir / f'epoch_{epoch}.pth')
    with pytest.raises(ValueError, match='epoch_3.*epoch_2.*epoch_1.*to start anew'):
        newest_whole(work_dir)


# The same through tools/train.py.


def train_tool() -> ModuleType:
    spec = spec_from_file_location('train_tool', ROOT / 'tools/train.py')
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def merged(work_dir: Path, *flags: str) -> Config:
    tool = train_tool()
    args = tool.parse_args(['config.py', '--work-dir', str(work_dir), *flags])
    return tool.merge_args(Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD')))), args)


def test_resume_warns_of_the_broken_one_and_falls_back(
        work_dir: Path, capsys: pytest.CaptureFixture) -> None:
    cut(work_dir / 'epoch_3.pth')
    assert merged(work_dir, '--resume').load_from == str(work_dir / 'epoch_2.pth')
    warning = capsys.readouterr().err
    assert warning.startswith(f'warning: {work_dir}/epoch_3.pth is broken')
    assert warning.endswith(f'falling back to {work_dir}/epoch_2.pth\n')


def test_a_broken_checkpoint_that_was_named_is_refused_not_replaced(
        work_dir: Path, capsys: pytest.CaptureFixture) -> None:
    cut(work_dir / 'epoch_3.pth')
    with pytest.raises(SystemExit, match='2'):
        merged(work_dir, '--resume', str(work_dir / 'epoch_3.pth'))
    assert 'give another, or --resume alone for the newest good one' in capsys.readouterr().err


def test_all_broken_ends_with_one_line(work_dir: Path, capsys: pytest.CaptureFixture) -> None:
    for path in work_dir.glob('epoch_*.pth'):
        empty(path)
    with pytest.raises(SystemExit, match='2'):
        merged(work_dir, '--resume')
    assert capsys.readouterr().err.count('\n') == 1


def test_a_first_start_with_resume_begins_at_the_beginning(tmp_path: Path) -> None:
    cfg = merged(tmp_path / 'new', '--resume')
    assert cfg.resume is True and cfg.load_from is None
