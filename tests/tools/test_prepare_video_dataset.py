"""Lists of video data sets: what the official files say, checked against what is there."""
import json
import os
import sys
from pathlib import Path
from typing import Dict, List

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from cbm_plugin.registry import DATASETS
from cbm_plugin.synthetic.video import write_mp4

from ..tiny_run import ROOT

TOOLS = Path(__file__).parents[2] / 'tools' / 'data'
sys.path.insert(0, str(TOOLS))

import prepare_video_dataset  # noqa: E402
from video_dataset.inspect_videos import inspect_all  # noqa: E402

CLASSES = ('Jump', 'Run')


@pytest.fixture(scope='session')
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real video of 5 frames at 8 frames a second."""
    path = tmp_path_factory.mktemp('clip') / 'clip.mp4'
    write_mp4(path, np.zeros((5, 32, 40, 3), np.uint8))
    return path.read_bytes()


class DataSet:
    """A tiny copy of an official data set, and the tool on it."""

    def __init__(self, folder: Path, clip: bytes) -> None:
        self.folder, self.clip = folder, clip
        self.videos, self.lists, self.out = (folder / n for n in ('videos', 'lists', 'out'))
        self.videos.mkdir()
        self.lists.mkdir()

    def video(self, path: str) -> Path:
        file = self.videos / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.clip)
        return file

    def list(self, name: str, lines: List[str]) -> None:
        (self.lists / name).write_text(''.join(f'{line}\n' for line in lines))

    def run(self, dataset: str, *options: str) -> dict:
        lists = [] if dataset == 'folder' else ['--annotations', str(self.lists)]
        prepare_video_dataset.main([dataset, '--videos', str(self.videos), '--out', str(self.out),
                                    '--workers', '0', *lists, *options])
        return json.loads((self.out / f'{dataset}_report.json').read_text())

    def written(self, name: str) -> List[str]:
        return (self.out / name).read_text().splitlines()


def ucf_name(name: str, group: int) -> str:
    return f'{name}/v_{name}_g{group:02d}_c01.avi'


@pytest.fixture
def ucf(tmp_path: Path, clip: bytes) -> DataSet:
    """Two classes, three groups; group N is split N's test."""
    data = DataSet(tmp_path, clip)
    data.list('classInd.txt', [f'{i} {name}' for i, name in enumerate(CLASSES, start=1)])
    for split in (1, 2, 3):
        videos = [(ucf_name(name, group), i + 1, group) for i, name in enumerate(CLASSES)
                  for group in (1, 2, 3)]
        data.list(f'trainlist0{split}.txt', [f'{p} {n}' for p, n, g in videos if g != split])
        data.list(f'testlist0{split}.txt', [p for p, _, g in videos if g == split])
        for path, _, _ in videos:
            data.video(path)
    return data


@pytest.fixture
def hmdb(tmp_path: Path, clip: bytes) -> DataSet:
    data = DataSet(tmp_path, clip)
    for name in CLASSES:
        for split in (1, 2, 3):
            codes = [(0, 1, 2)[(i + split) % 3] for i in range(6)]
            data.list(f'{name}_test_split{split}.txt',
                      [f'{name}#{i}_(x).avi {code}' for i, code in enumerate(codes)])
        for i in range(6):
            data.video(f'{name}/{name}#{i}_(x).avi')
    return data


HEADER = 'label,youtube_id,time_start,time_end,split'


@pytest.fixture
def kinetics(tmp_path: Path, clip: bytes) -> DataSet:
    data = DataSet(tmp_path, clip)
    data.list('train.csv', [HEADER] + [f'{name} up,-id{name}{i},{i},{i + 10},train'
                                       for name in CLASSES for i in (1, 2)])
    data.list('val.csv', [HEADER] + [f'{name} up,-v{name},1,11,val' for name in CLASSES])
    for name in CLASSES:
        for i in (1, 2):
            data.video(f'train/{name}_up/-id{name}{i}_{i:06d}_{i + 10:06d}.mp4')
        data.video(f'val/{name}_up/-v{name}.mp4')
    return data


@pytest.fixture
def own(tmp_path: Path, clip: bytes) -> DataSet:
    data = DataSet(tmp_path, clip)
    for name in CLASSES:
        for i in range(10):
            data.video(f'{name}/{i}.mp4')
    return data


def refused(data: DataSet, capsys: pytest.CaptureFixture, dataset: str, *options: str) -> str:
    """The one line that the tool ends with; nothing is written."""
    with pytest.raises(SystemExit) as end:
        data.run(dataset, *options)
    assert end.value.code == 2
    assert not data.out.exists()
    return capsys.readouterr().err


# --- what is written


def test_ucf101_lists_have_labels_from_0_and_the_official_splits(ucf: DataSet) -> None:
    report = ucf.run('ucf101')
    assert ucf.written('ucf101_val_split_2_videos.txt') == [
        f'{ucf_name(name, 2)} {i}' for i, name in enumerate(CLASSES)]
    assert ucf.written('ucf101_train_split_3_videos.txt') == [
        f'{ucf_name(name, group)} {i}' for i, name in enumerate(CLASSES) for group in (1, 2)]
    assert ucf.written('class_names.txt') == list(CLASSES)
    assert [split['videos'] for split in report['splits']] == [4, 2] * 3
    assert report['splits'][0]['classes'] == dict(Jump=2, Run=2)
    assert report['splits'][0]['frames'] == dict(min=5, median=5, max=5)
    assert report['splits'][0]['seconds']['median'] == pytest.approx(5 / 8, abs=0.01)


def test_hmdb51_codes_are_train_test_and_neither(hmdb: DataSet) -> None:
    hmdb.run('hmdb51')
    assert hmdb.written('hmdb51_train_split_1_videos.txt') == [
        'Jump/Jump#0_(x).avi 0', 'Jump/Jump#3_(x).avi 0', 'Run/Run#0_(x).avi 1',
        'Run/Run#3_(x).avi 1']
    assert hmdb.written('hmdb51_val_split_1_videos.txt')[0] == 'Jump/Jump#1_(x).avi 0'


def test_kinetics400_videos_are_found_by_their_names(kinetics: DataSet) -> None:
    kinetics.run('kinetics400')
    assert kinetics.written('kinetics400_train_list_videos.txt')[2] == \
        'train/Run_up/-idRun1_000001_000011.mp4 1'
    assert kinetics.written('kinetics400_val_list_videos.txt')[1] == 'val/Run_up/-vRun.mp4 1'
    assert kinetics.written('class_names.txt') == ['Jump up', 'Run up']


def test_a_folder_is_split_class_by_class_by_its_seed(own: DataSet) -> None:
    def split(seed: int) -> Dict[str, List[str]]:
        own.run('folder', '--ratios', '0.6', '0.2', '0.2', '--seed', str(seed))
        return {part: own.written(f'{part}_list.txt') for part in ('train', 'val', 'test')}

    first = split(0)
    assert {part: len(lines) for part, lines in first.items()} == dict(train=12, val=4, test=4)
    assert sorted(sum(first.values(), [])) == sorted(
        f'{name}/{i}.mp4 {label}' for label, name in enumerate(CLASSES) for i in range(10))
    assert sum(line.endswith(' 0') for line in first['val']) == 2
    assert split(0) == first and split(1) != first


def test_raw_frames_are_counted_and_listed_with_their_number(own: DataSet) -> None:
    for name in CLASSES:
        for i in range(2):
            folder = own.folder / 'raw' / name / str(i)
            folder.mkdir(parents=True)
            for frame in range(1, 4 + i):
                cv2.imwrite(str(folder / f'img_{frame:05}.jpg'), np.zeros((8, 8, 3), np.uint8))
    own.videos = own.folder / 'raw'
    own.run('folder', '--raw-frames', '--ratios', '0.5', '0.5')
    lines = own.written('train_list_rawframes.txt') + own.written('val_list_rawframes.txt')
    assert sorted(lines) == ['Jump/0 3 0', 'Jump/1 4 0', 'Run/0 3 1', 'Run/1 4 1']


def test_several_processes_find_what_one_finds(own: DataSet) -> None:
    (own.videos / 'Run/3.mp4').write_bytes(b'no video')
    paths = sorted(path.relative_to(own.videos).as_posix() for path in own.videos.rglob('*.mp4'))
    look = prepare_video_dataset.inspector(own.videos, '')
    assert inspect_all(paths, look, 2) == inspect_all(paths, look, 0)


def test_counts_unlike_the_official_ones_are_warned_of(ucf: DataSet) -> None:
    warnings = ucf.run('ucf101')['warnings']
    assert '2 classes, the official lists have 101' in warnings
    assert 'train list of split 1: 4 videos, the official list has 9537' in warnings


def test_an_unbalanced_list_is_warned_of(own: DataSet) -> None:
    for i in range(20):
        own.video(f'Walk/{i}.mp4')
    for i in range(2, 10):
        (own.videos / f'Run/{i}.mp4').unlink()
    assert 'train list is unbalanced: 1 to 16 videos a class' in own.run('folder')['warnings']


# --- what is refused


def test_missing_and_undecodable_videos_are_named_and_nothing_is_written(
        ucf: DataSet, capsys: pytest.CaptureFixture) -> None:
    (ucf.videos / ucf_name('Run', 2)).write_bytes(b'not a video' * 50)
    assert '1 videos cannot be decoded: Run/v_Run_g02_c01.avi (' in refused(ucf, capsys, 'ucf101')
    (ucf.videos / ucf_name('Run', 2)).unlink()
    message = refused(ucf, capsys, 'ucf101')
    assert '1 videos of the lists are missing: Run/v_Run_g02_c01.avi. Get' in message
    assert '--skip-bad' in message


def test_bad_videos_are_left_out_and_reported_when_asked(kinetics: DataSet) -> None:
    bad = 'train/Jump_up/-idJump1_000001_000011.mp4'
    (kinetics.videos / bad).write_bytes(b'')
    (kinetics.videos / 'train/Run_up/-idRun2_000002_000012.mp4').unlink()
    report = kinetics.run('kinetics400', '--skip-bad')
    assert list(report['undecodable']) == [bad] and report['undecodable'][bad]
    assert report['missing'] == ['train: Run up/-idRun2']
    assert len(kinetics.written('kinetics400_train_list_videos.txt')) == 2


def test_a_class_that_loses_all_its_training_videos_is_refused(
        kinetics: DataSet, capsys: pytest.CaptureFixture) -> None:
    for path in kinetics.videos.glob('train/Run_up/*'):
        path.unlink()
    message = refused(kinetics, capsys, 'kinetics400', '--skip-bad')
    assert 'train list: 1 classes have no videos: Run up' in message


def test_splits_that_share_a_video_are_refused(ucf: DataSet,
                                               capsys: pytest.CaptureFixture) -> None:
    path = ucf_name('Run', 2)
    ucf.list('testlist01.txt', [path, ucf_name('Jump', 1)])
    message = refused(ucf, capsys, 'ucf101')
    assert f'train list of split 1 and val list of split 1 share 1 videos: {path}' in message


def test_ucf101_splits_that_share_a_group_are_refused(ucf: DataSet,
                                                      capsys: pytest.CaptureFixture) -> None:
    other = ucf_name('Run', 2).replace('c01', 'c02')
    ucf.video(other)
    ucf.list('testlist01.txt', [other, ucf_name('Jump', 1)])
    assert 'share 1 groups, whose videos are cut from one recording: Run g02' in refused(
        ucf, capsys, 'ucf101')


def test_a_video_listed_twice_is_refused(ucf: DataSet, capsys: pytest.CaptureFixture) -> None:
    ucf.list('testlist01.txt', [ucf_name('Run', 1)] * 2 + [ucf_name('Jump', 1)])
    assert 'val list of split 1: 1 videos are listed twice: Run/' in refused(ucf, capsys, 'ucf101')


@pytest.mark.parametrize('name, lines, message', [
    ('trainlist01.txt', ['Swim/v_Swim_g01_c01.avi 1'], "'Swim/v_Swim_g01_c01.avi 1' is not in"),
    ('trainlist01.txt', ['Run/v_Run_g02_c01.avi 1'], 'says class 1, classInd.txt says Run is 2'),
    ('trainlist01.txt', [], 'trainlist01.txt is empty'),
    ('classInd.txt', ['1 Jump', '3 Run'], "'3 Run' should be '2 CLASS'")])
def test_a_ucf101_list_that_contradicts_itself_is_refused(
        ucf: DataSet, capsys: pytest.CaptureFixture, name: str, lines: List[str],
        message: str) -> None:
    ucf.list(name, lines)
    assert message in refused(ucf, capsys, 'ucf101')


def test_an_hmdb51_code_that_is_none_and_a_lacking_split_are_refused(
        hmdb: DataSet, capsys: pytest.CaptureFixture) -> None:
    hmdb.list('Run_test_split2.txt', ['Run#0_(x).avi 3'])
    assert "'Run#0_(x).avi 3' should be 'VIDEO CODE' with code 1" in refused(hmdb, capsys, 'hmdb51')
    os.remove(hmdb.lists / 'Run_test_split2.txt')
    assert 'Run_test_split2.txt does not exist' in refused(hmdb, capsys, 'hmdb51')


def test_a_kinetics400_class_of_one_list_only_and_a_lacking_column_are_refused(
        kinetics: DataSet, capsys: pytest.CaptureFixture) -> None:
    kinetics.list('val.csv', [HEADER, 'Swim,-vRun,1,11,val'])
    assert 'val.csv has classes that train.csv lacks: Swim' in refused(
        kinetics, capsys, 'kinetics400')
    kinetics.list('val.csv', ['label,youtube_id', 'Run up,-vRun'])
    assert 'lacks the columns time_start, time_end' in refused(kinetics, capsys, 'kinetics400')


def test_a_folder_that_cannot_be_split_is_refused(own: DataSet,
                                                  capsys: pytest.CaptureFixture) -> None:
    assert '--ratios 0.5 0.6: give two' in refused(own, capsys, 'folder', '--ratios', '0.5', '0.6')
    own.video('Walk/0.mp4')
    assert 'the class Walk has 1 videos, but 2 parts' in refused(own, capsys, 'folder')
    own.video('Walk/my video.mp4')
    assert '1 paths have white space' in refused(own, capsys, 'folder')
    own.video('loose.mp4')
    assert 'loose.mp4 and 0 other videos' in refused(own, capsys, 'folder')


def test_folders_without_videos_or_lists_are_named(tmp_path: Path, clip: bytes,
                                                   capsys: pytest.CaptureFixture) -> None:
    data = DataSet(tmp_path, clip)
    assert 'videos has no videos (.avi, ' in refused(data, capsys, 'ucf101')
    data.video('a.mp4')
    assert 'classInd.txt does not exist: set --annotations' in refused(data, capsys, 'ucf101')
    assert 'has no files CLASS_test_splitN.txt' in refused(data, capsys, 'hmdb51')


def test_a_gap_in_raw_frames_is_named(own: DataSet, capsys: pytest.CaptureFixture) -> None:
    for name in CLASSES:
        for i in range(2):
            folder = own.folder / 'raw' / name / str(i)
            folder.mkdir(parents=True)
            for frame in (1, 2, 4) if (name, i) == ('Run', 1) else (1, 2, 3):
                (folder / f'img_{frame:05}.jpg').write_bytes(b'x')
    own.videos = own.folder / 'raw'
    message = refused(own, capsys, 'folder', '--raw-frames')
    assert 'Run/1 (img_00003.jpg is missing among 3 images)' in message


def test_a_failed_run_leaves_earlier_lists_as_they_were(own: DataSet) -> None:
    own.run('folder')
    before = {path.name: path.read_bytes() for path in own.out.iterdir()}
    (own.videos / 'Run/3.mp4').write_bytes(b'no video')
    with pytest.raises(SystemExit):
        own.run('folder', '--seed', '1')
    assert {path.name: path.read_bytes() for path in own.out.iterdir()} == before


def as_raw_frames(data: DataSet) -> Path:
    """The same videos as folders of images, beside them."""
    root = data.folder / 'rawframes'
    for video in filter(Path.is_file, data.videos.rglob('*')):
        folder = root / video.relative_to(data.videos).with_suffix('')
        folder.mkdir(parents=True)
        for frame in (1, 2, 3):
            cv2.imwrite(str(folder / f'img_{frame:05}.jpg'), np.zeros((32, 40, 3), np.uint8))
    return root


@pytest.mark.parametrize('name, fixture', [('ucf101', 'ucf'), ('hmdb51', 'hmdb'),
                                           ('kinetics400', 'kinetics')])
def test_the_configs_of_a_data_set_find_what_was_written(
        name: str, fixture: str, request: pytest.FixtureRequest,
        monkeypatch: pytest.MonkeyPatch) -> None:
    data: DataSet = request.getfixturevalue(fixture)
    data.out = data.folder  # beside `videos`, as in docs/datasets.md
    data.run(name)
    data.videos = as_raw_frames(data)
    data.run(name, '--raw-frames')
    monkeypatch.setenv('DATA_ROOT', str(data.folder))
    init_default_scope('mmaction')
    for path in (ROOT / 'configs/recognition' / name).glob('*.py'):
        cfg = Config.fromfile(path)
        for part in ('train', 'val', 'test'):
            videos = DATASETS.build(cfg[f'{part}_dataloader'].dataset)
            assert {videos.get_data_info(i)['label'] for i in range(len(videos))} == {0, 1}
