"""Folders of images: checked before training, shown frame by frame as numbered, and replaced."""
from pathlib import Path
from typing import List

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.fileio import FileClient
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from cbm_plugin.engine import SampleIndex
from cbm_plugin.recognition import CheckedRawframeDataset
from cbm_plugin.registry import DATASETS

from ..tiny_run import tiny_config

CLIPS = dict(type='SampleOverlapClips', num_clips=2, min_len=3, max_len=5)
DECODE = [dict(type='RawFrameDecode'), dict(type='FormatShape', input_format='NCHW'),
          dict(type='PackActionInputs', algorithm_keys=('clip_plan',))]
TRAIN = [CLIPS, *DECODE]
TEMPLATE = 'img_{:05}.png'
GOOD = ['0 6 0', '1 7 1', '2 8 2', '3 9 3']


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope('mmaction')


def write_frames(folder: Path, frames: int, template: str = TEMPLATE, start: int = 1) -> None:
    """Image number n is of the colour (n, 2n, 3n), in RGB."""
    folder.mkdir(parents=True)
    for number in range(start, start + frames):
        image = np.full((32, 40, 3), (3 * number, 2 * number, number), np.uint8)  # BGR
        assert cv2.imwrite(str(folder / template.format(number)), image)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four videos of 6, 7, 8 and 9 images."""
    for i in range(4):
        write_frames(tmp_path / str(i), 6 + i)
    return tmp_path


def dataset(folder: Path, lines: List[str], pipeline: list = TRAIN,
            **options: object) -> CheckedRawframeDataset:
    (folder / 'list.txt').write_text(''.join(f'{line}\n' for line in lines))
    return DATASETS.build(dict(dict(
        type='CheckedRawframeDataset', ann_file=str(folder / 'list.txt'), pipeline=pipeline,
        data_prefix=dict(img=str(folder)), filename_tmpl=TEMPLATE), **options))


def numbers(packed: dict) -> List[int]:
    """Which images are shown, by their colour; every channel must say the same."""
    colours = packed['inputs'].float().mean(dim=(2, 3)) / np.array([1, 2, 3], np.float32)
    assert (colours == colours[:, :1]).all()
    return colours[:, 0].int().tolist()


# --- the right frames


def test_the_images_are_those_of_the_clips_counted_from_one(folder: Path) -> None:
    data = dataset(folder, GOOD)
    for epoch in range(5):
        packed = data[SampleIndex(3, seed=0, epoch=epoch)]
        positions = packed['data_samples'].clip_plan.positions
        assert numbers(packed) == (positions + 1).tolist()


@pytest.mark.parametrize('sampler, expected', [
    ([dict(type='SampleSequence')], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ([dict(type='SampleSequence', frame_interval=4)], [1, 5, 9]),
    ([dict(type='SampleSequence', num_items=3)], [2, 5, 8]),
    ([dict(type='SampleSequence'), dict(type='ObserveBeginning', frames=2)], [1, 2]),
    ([dict(type='SampleSequence'), dict(type='ObserveBeginning', frames=1)], [1]),
    ([dict(type='SampleFixedStrideClips', num_clips=2, clip_len=4, overlap_rate=0.5)],
     [2, 4, 6, 8])])
def test_every_sampler_shows_the_images_it_means(folder: Path, sampler: list,
                                                 expected: List[int]) -> None:
    assert numbers(dataset(folder, GOOD, [*sampler, *DECODE])[3]) == expected


def test_names_may_count_from_zero_and_be_jpgs(tmp_path: Path) -> None:
    write_frames(tmp_path / 'a', 5, 'frame{}.jpg', start=0)
    packed = dataset(tmp_path, ['a 5 0'], [dict(type='SampleSequence'), *DECODE],
                     filename_tmpl='frame{}.jpg', start_index=0)[0]
    shown = packed['inputs'].float().mean(dim=(2, 3))
    assert np.abs(shown - np.arange(5)[:, None] * np.array([1, 2, 3])).max() < 1.5


def test_an_offset_starts_a_clip_within_a_longer_video(folder: Path) -> None:
    data = dataset(folder, ['3 0 4 0', '3 5 4 1'], [dict(type='SampleSequence'), *DECODE],
                   with_offset=True, check='open')
    assert [numbers(data[i]) for i in (0, 1)] == [[1, 2, 3, 4], [6, 7, 8, 9]]


def test_motion_channels_are_the_differences_of_images(folder: Path) -> None:
    for number in range(1, 10):  # still but for a patch, which brightens at image 5
        image = np.full((32, 40, 3), 50, np.uint8)
        image[8:16, 8:16] = 200 if number >= 5 else 50
        cv2.imwrite(str(folder / '3' / TEMPLATE.format(number)), image)
    motion = dict(type='AddMotionChannels', kinds=('frame',), keep_colour=False)
    pipeline = [dict(type='SampleSequence'), DECODE[0], motion, *DECODE[1:]]
    moved = dataset(folder, GOOD, pipeline)[3]['inputs'].float()
    assert moved.shape == (9, 1, 32, 40)
    assert [t for t in range(9) if (moved[t] > 150).any()] == [4]


def test_each_image_of_overlapping_clips_is_read_once(folder: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    read: List[str] = []
    get = FileClient.get
    monkeypatch.setattr(FileClient, 'get', lambda self, path: read.append(path) or get(self, path))
    clips = dict(CLIPS, num_clips=4, min_len=5, max_len=6)
    packed = dataset(folder, GOOD, [clips, *DECODE])[3]
    plan = packed['data_samples'].clip_plan
    assert sum(clip.length for clip in plan.clips) > len(plan.positions)
    assert read == [str(folder / '3' / TEMPLATE.format(n + 1)) for n in plan.positions]


# --- before training


@pytest.mark.parametrize('line, message', [
    ('0 6 4', r'line 1: label 4 of .*0 is outside 0\.\.3'),
    ('0 6', r'label -1 of .* is outside 0\.\.3'),
    ('0 6 jump', r"line 1: '0 6 jump' is not 'path frames label' in whole numbers"),
    ('0', r"'0' is not 'path frames label'"),
    ('', r"'' is not 'path frames label'"),
    ('my video 6 0', 'white space must be renamed'),
    ('0 2 6 0', 'need with_offset=True'),
    ('0 0 1', 'less than one frame')])
def test_a_bad_line_is_named_with_its_number(folder: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset(folder, [line], num_classes=4)


def test_a_negative_offset_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="'0 -1 5 0' has less than one frame, or a negative"):
        dataset(folder, ['0 -1 5 0'], with_offset=True)


def test_an_empty_list_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r'list\.txt is empty'):
        dataset(folder, [])


def test_several_labels_are_read_where_asked_for(folder: Path) -> None:
    data = dataset(folder, ['0 6 0 2'], multi_class=True, num_classes=4)
    assert data.get_data_info(0)['label'].tolist() == [1, 0, 1, 0]


def test_missing_folders_and_first_images_are_counted_and_named(folder: Path) -> None:
    (folder / '2' / TEMPLATE.format(1)).unlink()
    with pytest.raises(FileNotFoundError, match=r'lists 2 of 3 videos that do not exist: .*/none, '
                                                r'.*/2/img_00001\.png\. Set data_prefix=dict\(img'):
        dataset(folder, ['0 6 0', 'none 5 1', '2 8 1'])


def test_a_template_of_other_names_is_found_before_training(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'4 of 4 .*img_00001\.jpg.*filename_tmpl'):
        dataset(folder, GOOD, filename_tmpl='img_{:05}.jpg')


@pytest.mark.parametrize('template', ['img.jpg', '{}_{}.jpg', 'img_{:05.jpg', 'img_{n}.jpg'])
def test_a_template_without_one_place_for_the_number_is_refused(folder: Path,
                                                                template: str) -> None:
    with pytest.raises(ValueError, match='must have one place for the number'):
        dataset(folder, GOOD, filename_tmpl=template)


def test_optical_flow_is_refused_with_the_reason(folder: Path) -> None:
    with pytest.raises(ValueError, match="modality is 'Flow', but must be 'RGB': FormatShape"):
        dataset(folder, GOOD, modality='Flow')


def test_lacking_and_broken_images_are_named_before_training_when_asked(folder: Path) -> None:
    (folder / '2' / TEMPLATE.format(1)).write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'2 of 4 videos that cannot be opened: .*/0 \(lacks 2 of '
                                         r'8 images: img_00007\.png, \.\.\.\), .*/2 '
                                         r'\(img_00001\.png cannot be decoded\)'):
        dataset(folder, ['0 8 0', *GOOD[1:]], check='open')


def test_a_whole_list_passes_every_check(folder: Path) -> None:
    assert len(dataset(folder, GOOD, num_classes=4, check='open')) == 4


# --- during training


def test_a_folder_that_lacks_frames_is_replaced_and_carried_as_a_fault(folder: Path) -> None:
    for number in range(2, 8):
        (folder / '1' / TEMPLATE.format(number)).unlink()
    packed = dataset(folder, GOOD)[1]
    assert int(packed['data_samples'].gt_label) == 2
    (name, message), = packed['data_samples'].metainfo['faults']
    assert name == str(folder / '1') and 'is missing' in message


@pytest.mark.parametrize('content', [b'no image at all', b''])
def test_an_image_that_cannot_be_decoded_is_named(folder: Path, content: bytes) -> None:
    (folder / '1' / TEMPLATE.format(4)).write_bytes(content)
    pipeline = [dict(type='SampleSequence'), *DECODE]
    packed = dataset(folder, GOOD, pipeline)[1]
    assert numbers(packed) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert packed['data_samples'].metainfo['faults'] == (
        (str(folder / '1'), f'{TEMPLATE.format(4)} cannot be decoded'),)


def test_a_folder_shorter_than_a_clip_is_replaced_with_the_reason(folder: Path) -> None:
    packed = dataset(folder, ['0 6 0', '1 1 1', *GOOD[2:]])[1]
    (_, message), = packed['data_samples'].metainfo['faults']
    assert 'the sequence has 1 items, but a clip has at least min_len=3' in message


def test_images_of_unequal_size_are_a_fault(folder: Path) -> None:
    cv2.imwrite(str(folder / '1' / TEMPLATE.format(3)), np.zeros((20, 20, 3), np.uint8))
    packed = dataset(folder, GOOD, [dict(type='SampleSequence'), *DECODE])[1]
    assert len(packed['data_samples'].metainfo['faults']) == 1


def test_a_list_of_broken_folders_only_ends_with_their_names(folder: Path) -> None:
    for i in range(4):
        for image in (folder / str(i)).iterdir():
            image.write_bytes(b'x')
    with pytest.raises(RuntimeError, match=r'none of the 4 videos .* can be read: .*/0: img_'):
        dataset(folder, GOOD)[0]


def test_in_testing_a_broken_folder_keeps_its_label_and_shows_black(folder: Path) -> None:
    (folder / '1' / TEMPLATE.format(2)).unlink()
    pipeline = [dict(type='SampleSequence'), *DECODE]
    packed = dataset(folder, GOOD, pipeline, test_mode=True)[1]
    assert int(packed['data_samples'].gt_label) == 1
    assert len(packed['inputs']) > 1 and int(packed['inputs'].max()) == 0
    assert len(packed['data_samples'].metainfo['faults']) == 1


# --- a whole run


def raw_config(tmp_path: Path, name: str, **options: object) -> Config:
    """The tiny model on 12 folders of 16 images to train on and 4 to test on; 2 classes."""
    cfg = tiny_config(tmp_path, name, **{'model.cls_head.num_classes': 2})
    cfg.val_evaluator = cfg.test_evaluator = dict(type='AccMetric')
    for split in ('train', 'val', 'test'):
        lines = [f'{i} 16 {i % 2}' for i in (range(12) if split == 'train' else range(12, 16))]
        (tmp_path / f'{split}.txt').write_text('\n'.join(lines))
        loader = cfg[f'{split}_dataloader']
        _, sampler, _, *rest = loader.dataset.pipeline  # DecordInit, ..., DecordDecode
        resize = dict(type='Resize', scale=(32, 32), keep_ratio=False)  # black frames, too
        pipeline = [sampler, DECODE[0], resize, *rest]
        loader.dataset = dict(
            type='CheckedRawframeDataset', ann_file=str(tmp_path / f'{split}.txt'),
            pipeline=pipeline, data_prefix=dict(img=str(tmp_path / 'frames')), num_classes=2,
            filename_tmpl=TEMPLATE, test_mode=split != 'train')
    cfg.merge_from_dict(options)
    return cfg


def run(tmp_path: Path, name: str, **options: object) -> List[np.ndarray]:
    """The weights after training; then it is tested."""
    runner = Runner.from_cfg(raw_config(tmp_path, name, **options))
    runner.train()
    runner.test()
    return [p.detach().numpy() for p in runner.model.parameters()]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    for i in range(16):
        write_frames(tmp_path / f'frames/{i}', 16)
    return tmp_path


def test_a_run_is_the_same_for_any_number_of_workers(frames: Path) -> None:
    alone = run(frames, 'alone')
    helped = run(frames, 'helped', **{'train_dataloader.num_workers': 2})
    assert all(np.array_equal(a, b) for a, b in zip(alone, helped))


def test_a_run_with_broken_folders_goes_on_and_names_each_once(frames: Path) -> None:
    (frames / 'frames/3' / TEMPLATE.format(9)).unlink()
    for broken in ('7', '14'):  # one of training, one of testing
        for image in (frames / 'frames' / broken).iterdir():
            image.write_bytes(b'x')
    run(frames, 'broken', **{'custom_hooks.1.max_share': 0.5})
    log = next((frames / 'broken').glob('*/*.log')).read_text()
    assert log.count('frames/7: img_') == log.count('frames/14: img_') == 1
    assert 'videos failed, in' in log


def test_a_run_with_too_many_broken_folders_stops_with_their_share(frames: Path) -> None:
    for i in range(0, 12, 2):
        for image in (frames / f'frames/{i}').iterdir():
            image.write_bytes(b'x')
    with pytest.raises(RuntimeError, match=r'more than max_share=0\.1 allows.*img_'):
        run(frames, 'stopped')
