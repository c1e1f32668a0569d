"""Folders and lists of videos become windows, and what is wrong is known when they are loaded."""
import logging
import pickle
from pathlib import Path
from typing import Any, Iterator, List

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

import cbm_plugin.prediction  # noqa: F401  (registers the data sets)
from cbm_plugin.engine.seeding import SampleIndex
from cbm_plugin.prediction.data.pack import PackFrames
from cbm_plugin.prediction.data.video_folder import VideoFrameFolder
from cbm_plugin.registry import DATASETS

from ...tiny_run import ROOT
from ...video.videos import (
    GREY_PER_FRAME,
    numbered_frames,
    numbers_of,
    spoil_frame,
    write_avi,
    write_numbered,
)


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of 12, 20 and 16 frames, files that are none, and lists."""
    root = tmp_path_factory.mktemp('folder')
    write_numbered(root / 'walk/b 2.avi', 12)
    write_numbered(root / 'walk/deep/c.mp4', 20)
    write_numbered(root / 'a.AVI', 16)
    (root / 'notes.txt').write_text('no video')
    (root / '.a.avi').write_text('a draft')
    (root / 'train_list.txt').write_text('walk/deep/c.mp4 3\n\na.AVI\n')
    (root / 'val_list.txt').write_text('walk/b 2.avi 1 4\nwalk/b 2.avi\n')
    return root


@pytest.fixture
def log() -> Iterator[List[str]]:
    """What is written to the log."""
    lines: List[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def folder(root: Path, **options: Any) -> VideoFrameFolder:
    settings: dict = dict(num_inputs=3, num_outputs=2, size=8, min_motion=0)
    settings.update(options)
    return VideoFrameFolder(str(root), **settings)


def names(dataset: VideoFrameFolder) -> List[str]:
    return [dataset.get_data_info(i)['name'] for i in range(len(dataset))]


def test_a_folder_is_searched_with_all_below_it(root: Path) -> None:
    assert names(folder(root)) == ['a.AVI', 'walk/b 2.avi', 'walk/deep/c.mp4']


@pytest.mark.parametrize('name, expected', [
    ('train_list.txt', ['walk/deep/c.mp4', 'a.AVI']), ('val_list.txt', ['walk/b 2.avi'] * 2)])
def test_labels_on_a_list_are_passed_over(root: Path, name: str, expected: List[str]) -> None:
    assert names(folder(root, ann_file=name)) == expected


def test_lists_may_start_from_a_sub_folder(root: Path, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('deep/c.mp4 0\n')
    dataset = folder(root, ann_file=str(tmp_path / 'list.txt'), data_prefix=dict(video='walk'))
    assert names(dataset) == ['deep/c.mp4']


def test_a_sample_has_what_the_pack_needs(root: Path) -> None:
    sample = folder(root, colour='rgb', size=(6, 8), pipeline=[PackFrames()])[0]
    assert sample['inputs'].shape == (5, 3, 6, 8) and sample['inputs'].dtype == torch.uint8
    data_sample = sample['data_samples']
    assert (data_sample.num_inputs, data_sample.num_outputs, data_sample.name) == (3, 2, 'a.AVI')
    assert round(float(sample['inputs'][0].float().mean()) / GREY_PER_FRAME) == data_sample.start


def test_training_windows_are_random_by_epoch_repeatable_and_everywhere(root: Path) -> None:
    dataset = folder(root, stride=2, cache='memory')

    def first_frames(epoch: int) -> List[int]:
        drawn = [numbers_of(dataset[SampleIndex(i, seed=1, epoch=epoch)]['imgs'])
                 for i in range(3)]
        assert all(np.diff(window).tolist() == [2, 2, 2, 2] for window in drawn)
        return [window[0] for window in drawn]

    epochs = [first_frames(epoch) for epoch in range(60)]
    assert epochs[:3] == [first_frames(epoch) for epoch in range(3)]
    for column, length in zip(zip(*epochs), (16, 12, 20)):
        assert set(column) == set(range(length - 8))


def test_tiled_test_windows_predict_every_frame_after_the_first_inputs_once(root: Path) -> None:
    dataset = folder(root, test_mode=True, num_inputs=2, num_outputs=3, stride=2)
    windows = [numbers_of(dataset[i]['imgs']) for i in range(len(dataset))
               if dataset.get_data_info(i)['name'].endswith('c.mp4')]
    assert [window[0] for window in windows] == [0, 6]
    predicted = [frame for window in windows for frame in window[2:]]
    assert predicted == [4, 6, 8, 10, 12, 14]


@pytest.mark.parametrize('options, starts', [
    (dict(test_windows='first'), [0]), (dict(test_windows='middle'), [7]),
    (dict(test_step=6), [0, 6, 12]), (dict(), list(range(0, 16, 2)))])
def test_test_windows_are_fixed(root: Path, options: dict, starts: List[int]) -> None:
    dataset = folder(root, test_mode=True, **options)
    found = [(dataset.get_data_info(i)['start'], numbers_of(dataset[i]['imgs'])[0])
             for i in range(len(dataset)) if dataset.get_data_info(i)['name'].endswith('c.mp4')]
    assert found == [(start, start) for start in starts]


def test_short_and_broken_videos_are_left_out_of_training_and_named(tmp_path: Path,
                                                                    log: List[str]) -> None:
    write_numbered(tmp_path / 'good.mp4', 10)
    write_numbered(tmp_path / 'short.mp4', 4)
    (tmp_path / 'broken.avi').write_text('no video' * 50)
    dataset = folder(tmp_path)
    assert names(dataset) == ['good.mp4']
    assert [name for name, _ in dataset.left_out] == ['broken.avi', 'short.mp4']
    assert any('1 sequences cannot be read' in line and 'broken.avi' in line for line in log)
    assert any('short.mp4 (4 frames)' in line and 'a window of 5 frames' in line for line in log)


def test_broken_videos_are_refused_in_testing_and_short_ones_named(tmp_path: Path,
                                                                   log: List[str]) -> None:
    write_numbered(tmp_path / 'good.mp4', 10)
    write_numbered(tmp_path / 'short.mp4', 4)
    assert set(names(folder(tmp_path, test_mode=True))) == {'good.mp4'}
    assert any('short.mp4 (4 frames)' in line for line in log)
    (tmp_path / 'broken.avi').write_text('no video' * 50)
    with pytest.raises(ValueError, match=r'1 sequences to test on cannot be read: broken\.avi'):
        folder(tmp_path, test_mode=True)


def test_damage_within_a_video_is_refused_in_testing(tmp_path: Path) -> None:
    spoil_frame(Path(write_avi(tmp_path / 'a.avi', list(numbered_frames(12)))), 7)
    with pytest.raises(ValueError, match=r'1 sequences to test on cannot be read: a\.avi'):
        folder(tmp_path, test_mode=True, test_windows='middle', min_motion=0.1)


def test_damage_behind_the_windows_of_a_test_is_refused_too(tmp_path: Path) -> None:
    # decord decodes ahead: windows before it would be read or not as chance has it
    spoil_frame(Path(write_avi(tmp_path / 'a.avi', list(numbered_frames(100)))), 95)
    with pytest.raises(ValueError, match=r'1 sequences to test on cannot be read: a\.avi'):
        folder(tmp_path, test_mode=True, test_windows='first')


def test_a_damaged_video_is_named_once_whatever_the_number_of_its_windows(tmp_path: Path,
                                                                          log: List[str]) -> None:
    path = Path(write_avi(tmp_path / 'a.avi', list(numbered_frames(20))))
    for frame in (3, 12):
        spoil_frame(path, frame)
    with pytest.raises(ValueError, match=r'1 sequences to test on cannot be read') as refused:
        folder(tmp_path, test_mode=True, min_motion=0.1)
    assert str(refused.value).count(' a.avi (') == 1
    line, = [line for line in log if 'cannot be read' in line]
    assert line.count(' a.avi (') == 1


def test_the_log_names_every_video_that_cannot_be_read_and_the_error_ten(tmp_path: Path,
                                                                         log: List[str]) -> None:
    for number in range(12):
        (tmp_path / f'bad_{number}.avi').write_text('no video' * 50)
    with pytest.raises(ValueError, match=r'12 sequences to test on .* and 2 more'):
        folder(tmp_path, test_mode=True)
    line, = [line for line in log if 'cannot be read' in line]
    assert all(f' bad_{number}.avi (' in line for number in range(12))


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    write_numbered(tmp_path / 'short.mp4', 4)
    with pytest.raises(ValueError, match='no sequence to draw.* short.mp4'):
        folder(tmp_path)


def test_a_file_that_breaks_later_is_replaced_in_training(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        write_numbered(tmp_path / f'{name}.mp4', 8)
    dataset = folder(tmp_path, pipeline=[PackFrames()])
    (tmp_path / 'a.mp4').write_text('gone')
    sample = dataset[SampleIndex(0, seed=0, epoch=0)]['data_samples']
    assert sample.name == 'b.mp4' and sample.faults[0][0] == 'a.mp4'


def test_a_cut_off_file_is_used_as_far_as_it_goes_and_named(tmp_path: Path,
                                                            log: List[str]) -> None:
    path = Path(write_avi(tmp_path / 'cut.avi', list(numbered_frames(20, 64, 64))))
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    dataset = folder(tmp_path)
    assert 0 < dataset.get_data_info(0)['starts'][1] < 6
    assert any('end before their headers say' in line and 'cut.avi' in line for line in log)


@pytest.mark.parametrize('test_mode', [False, True])
def test_still_sequences_are_counted_and_left_out_on_request(tmp_path: Path, log: List[str],
                                                             test_mode: bool) -> None:
    moving = numbered_frames(10)
    write_avi(tmp_path / 'moves.avi', list(moving))
    write_avi(tmp_path / 'still.avi', [moving[3]] * 10)
    write_avi(tmp_path / 'then_moves.avi', [moving[0]] * 10 + list(moving[:5]))
    options: dict = dict(test_mode=test_mode, test_step=5)
    kept = folder(tmp_path, **options, min_motion=0.1)
    still = ['still.avi'] * 2 + ['then_moves.avi'] * 2 if test_mode else ['still.avi']
    assert [name for name, _ in kept.still_sequences] == still
    lines = [line for line in log if 'hardly move' in line]
    assert len(lines) == 1 and f'{len(still)} sequences' in lines[0]
    assert len(folder(tmp_path, **options)) == len(kept)
    left = folder(tmp_path, **options, min_motion=0.1, still='leave_out')
    assert len(left) == len(kept) - len(still) and 'still.avi' not in names(left)


@pytest.mark.parametrize('options, message', [
    (dict(stride=0), 'stride=0'), (dict(test_step=0), 'test_step=0'),
    (dict(test_windows='last'), "test_windows is 'last'"),
    (dict(min_motion=-1), 'min_motion is -1'), (dict(still='drop'), "still is 'drop'"),
    (dict(num_outputs=0), 'num_outputs=0')])
def test_options_out_of_range_are_refused(root: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        folder(root, **options)


def test_missing_folders_lists_and_videos_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'nowhere does not exist: set data_root'):
        folder(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match='hold no video'):
        folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'none\.txt does not exist'):
        folder(root, ann_file='none.txt')
    listed = ''.join(f'gone{i}.mp4 0\n' for i in range(12))
    (tmp_path / 'list.txt').write_text('a.AVI\n' + listed)
    with pytest.raises(FileNotFoundError, match=r'12 of 13 videos .* gone0\.mp4, .* and 2 more'):
        folder(root, ann_file=str(tmp_path / 'list.txt'))


@pytest.mark.parametrize('path', ['../a.avi', 'walk/../../a.avi', '/etc/a.avi'])
def test_paths_on_a_list_cannot_leave_the_folder(root: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / 'list.txt').write_text(f'a.AVI 0\n{path} 0\n')
    with pytest.raises(ValueError, match=r'list\.txt, line 2: .* leads out of the folder'):
        folder(root, ann_file=str(tmp_path / 'list.txt'))


def test_absolute_paths_within_the_folder_are_fine(root: Path, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text(f'{root / "a.AVI"} 5\n')
    assert names(folder(root, ann_file=str(tmp_path / 'list.txt'))) == ['a.AVI']


def test_worker_processes_can_have_it(root: Path) -> None:
    dataset = folder(root, cache='memory', test_mode=True)
    there = pickle.loads(pickle.dumps(dataset))
    assert numbers_of(there[1]['imgs']) == numbers_of(dataset[1]['imgs'])


@pytest.mark.parametrize('part', ['train', 'val', 'test'])
def test_the_config_builds(root: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    init_default_scope('mmaction')
    monkeypatch.setenv('DATA_ROOT', str(root))
    config = Config.fromfile(ROOT / 'configs/_base_/datasets/video_folder_frames.py')
    options = dict(config[f'{part}_dataloader'].dataset, num_inputs=2, num_outputs=3)
    sample = DATASETS.build(options)[0]
    assert sample['inputs'].shape == (5, 1, 64, 64)
    first, second, *_ = numbers_of(list(sample['inputs'].float()))
    assert second - first == 2
