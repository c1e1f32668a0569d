"""KTH's files, lists, split and test windows are those of the published protocol."""
from pathlib import Path
from typing import Any, List

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

import cbm_plugin.prediction  # noqa: F401  (registers the transforms)
from cbm_plugin.engine.seeding import SampleIndex
from cbm_plugin.prediction.data.kth import KTHActions, ListedSequence, read_sequences
from cbm_plugin.registry import DATASETS

from ...tiny_run import ROOT
from ...video.videos import numbers_of, write_numbered

KTHS_LIST = """
This database contains sequences of six classes of actions performed by
25 subjects in four different conditions (see below).

Training:   person11, 12, 13, 14, 15, 16, 17, 18
Test:       person22, 02, 03, 05, 06, 07, 08, 09, 10


person01_boxing_d1\t\tframes\t1-24, 3-30
person01_running_d2    \tframes\t2-26
person13_handclapping_d3\t*missing*
person17_boxing_d1\t\tframes\t1-28
person17_running_d1    \t\tframes\t3-29, 5-9
"""
MCNETS_LIST = 'person17_boxing_d1 1 28\nperson17_running_d1 3 29 \n'


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of 30 frames, in folders and beside the lists."""
    root = tmp_path_factory.mktemp('kth')
    for name in ('boxing/person01_boxing_d1', 'running/person01_running_d2', 'person17_boxing_d1',
                 'running/person17_running_d1'):
        write_numbered(root / f'{name}_uncomp.avi', 30)
    write_numbered(root / 'mine.avi', 30)
    (root / '00sequences.txt').write_text(KTHS_LIST)
    (root / 'test_data_list.txt').write_text(MCNETS_LIST)
    return root


def kth(root: Path, **options: Any) -> KTHActions:
    settings: dict = dict(persons=(17,) if options.get('test_mode') else (1,), size=8)
    settings.update(options)
    return KTHActions(str(root), **settings)


def starts(dataset: KTHActions) -> List[tuple]:
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [(info['name'], info['start']) for info in infos]


def test_kths_own_list_is_read(root: Path) -> None:
    assert read_sequences(str(root / '00sequences.txt')) == [
        ListedSequence(*one) for one in (
            ('person01_boxing_d1', 1, 24), ('person01_boxing_d1', 3, 30),
            ('person01_running_d2', 2, 26), ('person17_boxing_d1', 1, 28),
            ('person17_running_d1', 3, 29), ('person17_running_d1', 5, 9))]


def test_mcnets_lists_are_read(root: Path) -> None:
    assert read_sequences(str(root / 'test_data_list.txt')) == [
        ListedSequence('person17_boxing_d1', 1, 28), ListedSequence('person17_running_d1', 3, 29)]


def test_training_draws_ten_and_ten_frames_within_the_sequences(root: Path) -> None:
    dataset = kth(root, cache='memory')
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [(info['name'], info['starts']) for info in infos] == [
        ('person01_boxing_d1', (0, 4)), ('person01_boxing_d1', (2, 10)),
        ('person01_running_d2', (1, 6))]
    windows = [numbers_of(dataset[SampleIndex(1, 0, epoch)]['imgs']) for epoch in range(40)]
    assert all(np.diff(window).tolist() == [1] * 19 for window in windows)
    assert {window[0] for window in windows} == set(range(2, 11))


def test_test_windows_are_those_of_mcnets_released_test(root: Path) -> None:
    options: dict = dict(test_mode=True, num_inputs=2, num_outputs=4)
    # in boxing a window every 4 frames, from the first frame listed; in running every 3
    expected = [('person17_boxing_d1', start) for start in (1, 5, 9, 13, 17)] + [
        ('person17_running_d1', start) for start in (3, 6, 9, 12, 15, 18, 21)]
    dataset = kth(root, ann_file='test_data_list.txt', **options)
    assert starts(dataset) == expected
    assert numbers_of(dataset[1]['imgs']) == list(range(5, 11))


def test_sequences_too_short_for_a_test_window_have_none(root: Path) -> None:
    dataset = kth(root, test_mode=True, num_outputs=8)
    assert [start for start in starts(dataset) if 'running' in start[0]] == [
        ('person17_running_d1', 3), ('person17_running_d1', 6), ('person17_running_d1', 9)]
    assert dataset.left_out == [('person17_running_d1', '5 frames')]


def test_all_frames_of_a_sequence_can_be_tested(root: Path) -> None:
    dataset = kth(root, test_mode=True, num_inputs=2, num_outputs=4, test_windows='tiled')
    assert starts(dataset)[:6] == [('person17_boxing_d1', start) for start in range(0, 23, 4)]


def test_the_default_is_the_published_setting() -> None:
    options = dict(lazy_init=True)
    train, test = KTHActions(**options), KTHActions(**options, test_mode=True)
    assert (train.num_inputs, train.num_outputs, test.num_outputs) == (10, 10, 20)
    assert train.persons == tuple(range(1, 17)) and test.persons == tuple(range(17, 26))
    assert train.frame_shape == (128, 128, 1)


def test_frames_are_as_mcnets_code_makes_them(root: Path) -> None:
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
    made = KTHActions(lazy_init=True).frames.frame_format(picture)
    theirs = cv2.cvtColor(cv2.resize(picture, (128, 128)), cv2.COLOR_RGB2GRAY)
    assert np.abs(made[..., 0].astype(int) - theirs).max() <= 1


def test_missing_files_are_counted_and_the_first_ten_named(root: Path, tmp_path: Path) -> None:
    lines = [f'person{i:02}_walking_d1 1 30\n' for i in range(2, 14)]
    (tmp_path / 'list.txt').write_text(MCNETS_LIST + ''.join(lines))
    with pytest.raises(FileNotFoundError, match=(
            r'names 12 videos .*: person02_walking_d1_uncomp\.avi, .* and 2 more\. 4 videos with '
            "KTH's names are there")):
        kth(root, ann_file=str(tmp_path / 'list.txt'), persons=(17, *range(2, 14)))


def test_a_person_without_sequences_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match=r'no sequence of the persons \[2, 18\]'):
        kth(root, persons=(1, 2, 17, 18))


@pytest.mark.parametrize('content, message', [
    ('person01_boxing_d1 1 24\nperson01_boxing_d1 5\nperson1_boxing_d1 1 2\n',
     r"2 lines are not as 'person01_boxing_d1 1 95', .*: line 2: .*, line 3"),
    ('person01_boxing_d1 0 24\n', "1 lines .*line 1: 'person01_boxing_d1 0 24'"),
    ('person01_boxing_d1 9 4\n', "line 1: 'person01_boxing_d1 9 4'"),
    ('text\n\nperson01_boxing_d1\tframes\t1-9, 10\n', 'not as .*frames 1-95, 96-185.*line 3'),
    ('', 'lists no sequence')])
def test_lines_that_cannot_be_read_are_all_named(tmp_path: Path, content: str,
                                                 message: str) -> None:
    (tmp_path / 'list.txt').write_text(content)
    with pytest.raises(ValueError, match=message):
        read_sequences(str(tmp_path / 'list.txt'))


def test_a_missing_list_or_folder_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'00sequences\.txt does not exist: .*page'):
        kth(tmp_path)


def test_a_sequence_past_the_end_of_its_video_is_left_out_or_refused(root: Path,
                                                                     tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('person01_boxing_d1 1 99\nperson01_boxing_d1 31 60\n')
    options: dict = dict(ann_file=str(tmp_path / 'list.txt'), persons=(1,))
    dataset = kth(root, **options)
    assert dataset.get_data_info(0)['starts'] == (0, 10) and len(dataset) == 1
    assert 'its video has 30 frames' in dataset.left_out[0][1]
    with pytest.raises(ValueError, match='cannot be read: person01_boxing_d1 .*30 frames'):
        kth(root, test_mode=True, **options)


@pytest.mark.parametrize('part', ['train', 'val', 'test'])
def test_the_config_builds(root: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    init_default_scope('mmaction')
    monkeypatch.setenv('DATA_ROOT', str(root))
    config = Config.fromfile(ROOT / 'configs/_base_/datasets/kth.py')
    persons = (1,) if part == 'train' else (17,)
    options = dict(config[f'{part}_dataloader'].dataset, persons=persons)
    if part != 'train':
        options['num_outputs'] = 10  # our videos are short
    sample = DATASETS.build(options)[0]
    assert sample['inputs'].shape == (20, 1, 128, 128)
