"""Lists are checked before training; a bad video during it costs a sample, not the run."""
import shutil
from pathlib import Path
from typing import List

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from cbm_plugin.engine import SampleIndex
from cbm_plugin.recognition import CheckedVideoDataset
from cbm_plugin.synthetic.video import write_mp4

from ..tiny_run import tiny_config, train

TRAIN = [dict(type='DecordInit'),
         dict(type='SampleOverlapClips', num_clips=2, min_len=3, max_len=5),
         dict(type='DecordDecode'), dict(type='FormatShape', input_format='NCHW'),
         dict(type='PackActionInputs', algorithm_keys=('clip_plan',))]


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope('mmaction')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four videos of 6, 7, 8 and 9 frames; the grey value is the label."""
    for i in range(4):
        write_mp4(tmp_path / f'{i}.mp4', np.full((6 + i, 32, 40, 3), 60 * i, np.uint8))
    return tmp_path


def dataset(folder: Path, lines: List[str], pipeline: list = TRAIN,
            **options: object) -> CheckedVideoDataset:
    (folder / 'list.txt').write_text('\n'.join(lines) + '\n')
    return CheckedVideoDataset(str(folder / 'list.txt'), pipeline,
                               data_prefix=dict(video=str(folder)), **options)


GOOD = ['0.mp4 0', '1.mp4 1', '2.mp4 2', '3.mp4 3']


def broken(folder: Path, name: str, content: bytes = b'not a video at all' * 100) -> None:
    (folder / name).write_bytes(content)


# --- before training


def test_a_missing_list_is_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match='does not exist: set ann_file'):
        CheckedVideoDataset(str(folder / 'none.txt'), TRAIN)


def test_missing_videos_are_counted_and_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'lists 2 of 3 videos that do not exist: '
                                                r'.*a\.mp4.*b\.mp4.*data_prefix'):
        dataset(folder, ['0.mp4 0', 'a.mp4 1', 'b.mp4 1'])


def test_an_undecodable_video_is_named_before_training_when_asked(folder: Path) -> None:
    broken(folder, '1.mp4')
    with pytest.raises(ValueError, match=r'1 of 4 videos that cannot be opened: .*1\.mp4'):
        dataset(folder, GOOD, check='open')


@pytest.mark.parametrize('line, message', [
    ('0.mp4 4', r'line 1: label 4 of .*0\.mp4 is outside 0\.\.3'),
    ('0.mp4 -1', r'label -1'),
    ('0.mp4 jump', r"line 1: '0\.mp4 jump' is not 'path label'"),
    ('my video.mp4 0', 'set `delimiter`')])
def test_a_bad_line_is_named_with_its_number(folder: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset(folder, [line], num_classes=4)


def test_an_unknown_check_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="check is 'all': use 'exists' or 'open'"):
        dataset(folder, GOOD, check='all')


# --- during training


def test_a_broken_video_is_replaced_by_the_next_and_carried_as_a_fault(folder: Path) -> None:
    broken(folder, '1.mp4')
    packed = dataset(folder, GOOD)[1]
    assert int(packed['data_samples'].gt_label) == 2
    (name, message), = packed['data_samples'].metainfo['faults']
    assert name.endswith('1.mp4') and message


def test_a_video_shorter_than_a_clip_is_replaced_with_the_reason(folder: Path) -> None:
    write_mp4(folder / '1.mp4', np.zeros((1, 32, 40, 3), np.uint8))
    packed = dataset(folder, GOOD)[1]
    (_, message), = packed['data_samples'].metainfo['faults']
    assert 'the sequence has 1 items, but a clip has at least min_len=3' in message


def test_a_video_of_one_frame_trains_whole_where_that_is_allowed(folder: Path) -> None:
    write_mp4(folder / '1.mp4', np.zeros((1, 32, 40, 3), np.uint8))
    pipeline = [TRAIN[0], dict(TRAIN[1], short='whole'), *TRAIN[2:]]
    packed = dataset(folder, GOOD, pipeline)[1]
    assert len(packed['inputs']) == 1 and 'faults' not in packed['data_samples'].metainfo


def test_a_replacement_is_drawn_with_the_numbers_of_its_own_epoch(folder: Path) -> None:
    broken(folder, '1.mp4')
    data = dataset(folder, GOOD)
    drawn = [data[SampleIndex(1, seed=0, epoch=epoch)]['data_samples'].clip_plan
             for epoch in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1] and len(set(map(repr, drawn))) > 1


def test_a_list_of_broken_videos_only_ends_with_their_names(folder: Path) -> None:
    for i in range(4):
        broken(folder, f'{i}.mp4')
    with pytest.raises(RuntimeError, match=r'none of the 4 videos .* can be read: .*0\.mp4'):
        dataset(folder, GOOD)[0]


def test_in_testing_a_broken_video_keeps_its_label_and_shows_black(folder: Path) -> None:
    broken(folder, '1.mp4')
    pipeline = [dict(type='DecordInit'), dict(type='SampleSequence', frame_interval=10),
                *TRAIN[2:]]
    packed = dataset(folder, GOOD, pipeline, test_mode=True)[1]
    assert int(packed['data_samples'].gt_label) == 1
    assert int(packed['inputs'].max()) < 20
    assert len(packed['data_samples'].metainfo['faults']) == 1


def test_each_frame_of_overlapping_clips_is_decoded_once(folder: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    import decord
    asked: List[int] = []
    get_batch = decord.VideoReader.get_batch
    monkeypatch.setattr(decord.VideoReader, 'get_batch',
                        lambda self, frames: asked.extend(frames) or get_batch(self, frames))
    overlapping = [TRAIN[0], dict(TRAIN[1], num_clips=4, min_len=5, max_len=6), *TRAIN[2:]]
    packed = dataset(folder, GOOD, overlapping)[3]
    plan = packed['data_samples'].clip_plan
    assert sum(clip.length for clip in plan.clips) > len(plan.positions)
    assert asked == plan.positions.tolist()
    assert len(packed['inputs']) == len(asked)


def test_the_decoded_frames_are_those_of_the_clips(folder: Path) -> None:
    ramp = np.stack([np.full((32, 40, 3), 12 * t, np.uint8) for t in range(20)])
    write_mp4(folder / '0.mp4', ramp)
    packed = dataset(folder, GOOD)[0]
    shown = packed['inputs'].float().mean(dim=(1, 2, 3)) / 12
    assert abs(shown - packed['data_samples'].clip_plan.positions).max() < 0.5


# --- a whole run


def run_with_broken(tmp_path: Path, share: float, max_share: float) -> Path:
    cfg = tiny_config(tmp_path, **{'train_cfg.max_epochs': 1})
    train(tiny_config(tmp_path, 'make', **{'train_cfg.max_epochs': 1}))
    videos = sorted((tmp_path / 'data').glob('train*/clips/*.mp4'))
    for video in videos[:round(share * len(videos))]:
        video.write_bytes(b'x' * 500)
    for hook in cfg.custom_hooks:
        if hook['type'] == 'VideoFaultHook':
            hook['max_share'] = max_share
    cfg.train_dataloader.batch_size = 2
    cfg.train_cfg.max_epochs = cfg.param_scheduler[0].total_steps = 3
    train(cfg)
    return next((tmp_path / 'run').glob('*/*.log'))


def test_a_run_with_a_broken_video_goes_on_and_names_it_once(tmp_path: Path) -> None:
    log = run_with_broken(tmp_path, share=1 / 12, max_share=0.5).read_text()
    assert log.count('video failed and was replaced') == 1
    # three epochs of 12 videos and 8 to validate on, and the replaced ones
    assert '1 videos failed, in 3 of 63 draws' in log


def test_a_run_with_too_many_broken_videos_stops_with_their_share(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r'videos drawn so far failed, more than max_share=0\.1'):
        run_with_broken(tmp_path, share=0.5, max_share=0.1)
    shutil.rmtree(tmp_path / 'data')
