"""Features from a config and a checkpoint: the backbone's own values, in files that load again."""
import sys
from pathlib import Path
from typing import List

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from cbm_plugin.recognition import FeatureSequences
from cbm_plugin.registry import DATASETS, MODELS

from ..tiny_run import tiny_config

TOOLS = Path(__file__).parents[2] / 'tools' / 'data'
sys.path.insert(0, str(TOOLS))

import extract_features  # noqa: E402

WHOLE = [dict(type='SampleSequence'), dict(type='LoadFeatures'), dict(type='PackActionInputs')]


class Source:
    """A config with its data, and a checkpoint of its model."""

    def __init__(self, folder: Path) -> None:
        init_default_scope('mmaction')
        self.folder = folder
        self.cfg = tiny_config(folder)
        self.config, self.checkpoint = folder / 'config.py', folder / 'model.pth'
        self.cfg.dump(self.config)
        torch.manual_seed(0)
        self.model = MODELS.build(self.cfg.model).eval()
        torch.save(dict(state_dict=self.model.state_dict()), self.checkpoint)
        self.videos = DATASETS.build(self.cfg.test_dataloader.dataset)

    def extract(self, out: str, *options: str) -> Path:
        path = self.folder / out
        extract_features.main([str(self.config), str(self.checkpoint), str(path), '--workers', '0',
                               *options])
        return path

    def expected(self, index: int, every: int = 1) -> torch.Tensor:
        """The backbone's maps, frame by frame."""
        frames = self.videos[index]['inputs'][::every]
        with torch.no_grad():
            return torch.cat([self.model.backbone(self.model.data_preprocessor.normalize(
                frame[None])) for frame in frames])


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(tmp_path_factory.mktemp('source'))


@pytest.fixture
def out(request: pytest.FixtureRequest) -> str:
    """A name of this test's own."""
    return ''.join(c for c in request.node.name if c.isalnum())


def read(path: Path, split: str = 'test') -> FeatureSequences:
    if path.suffix == '.npz':
        return FeatureSequences(pipeline=WHOLE, data_prefix=dict(features=str(path)), split=split)
    return FeatureSequences(str(path / f'{split}_list.txt'), WHOLE,
                            data_prefix=dict(features=str(path)))


@pytest.mark.parametrize('suffix', ['', '.npz'])
def test_the_files_hold_the_backbones_own_values_and_labels(source: Source, out: str,
                                                            suffix: str) -> None:
    data = read(source.extract(out + suffix, '--dtype', 'float32', '--chunk-len', '5'))
    assert len(data) == len(source.videos) == 8
    for index in range(8):
        made, video = data[index], source.videos[index]
        expected = source.expected(index).mean(dim=(-2, -1))
        assert torch.allclose(made['inputs'][..., 0, 0], expected, atol=1e-5)
        assert made['data_samples'].gt_label == video['data_samples'].gt_label


def test_maps_stay_maps_and_half_precision_is_the_default(source: Source, out: str) -> None:
    data = read(source.extract(out, '--maps', '--interval', '4'))
    expected = source.expected(3, every=4)
    assert data[3]['inputs'].dtype == torch.float16
    assert data[3]['inputs'].shape == expected.shape
    assert torch.allclose(data[3]['inputs'].float(), expected, atol=2e-2)


def test_so_many_items_of_each_video_are_taken(source: Source, out: str) -> None:
    assert read(source.extract(out, '--num-items', '3'))[0]['inputs'].shape == (3, 4, 1, 1)


def test_several_splits_stand_in_one_file_with_their_names(source: Source, out: str) -> None:
    path = source.extract(f'{out}.npz', '--splits', 'train', 'val')
    assert (len(read(path, 'train')), len(read(path, 'val'))) == (12, 8)
    assert read(path, 'val').get_data_info(0)['video_id'].startswith('val/')


def test_a_video_of_two_splits_is_refused(source: Source, out: str,
                                          capsys: pytest.CaptureFixture) -> None:
    same = f'val_dataloader.dataset.split={source.cfg.test_dataloader.dataset.split}'
    assert 'val and test both have the video clips/' in refused(
        source, capsys, out, '--splits', 'val', 'test', '--cfg-options', same)


def test_a_stock_config_of_mmaction2_gives_features_too(source: Source, out: str) -> None:
    cfg = Config(dict(
        model=dict(type='Recognizer2D', backbone=dict(type='ResNet', depth=18, pretrained=None),
                   cls_head=dict(type='TSNHead', num_classes=8, in_channels=512),
                   data_preprocessor=dict(type='ActionDataPreprocessor', mean=[127.5] * 3,
                                          std=[63.0] * 3, format_shape='NCHW')),
        test_dataloader=dict(dataset=dict(
            type='VideoDataset', ann_file=source.videos.ann_file,
            data_prefix=dict(video=source.videos.data_prefix['video']),
            pipeline=[dict(type='DecordInit'),
                      dict(type='SampleFrames', clip_len=1, frame_interval=8, num_clips=25),
                      dict(type='DecordDecode'), dict(type='TenCrop', crop_size=32),
                      dict(type='FormatShape', input_format='NCHW'),
                      dict(type='PackActionInputs')]))))
    config = source.folder / f'{out}.py'
    cfg.dump(config)
    path = source.folder / out
    extract_features.main([str(config), 'none', str(path), '--workers', '0'])
    assert read(path)[0]['inputs'].shape == (2, 512, 1, 1)


# --- interrupted runs


def test_a_run_goes_on_where_it_stopped(source: Source, out: str) -> None:
    path = source.extract(out)
    files = sorted(path.rglob('*.npy'))
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}
    files[2].unlink()
    source.extract(out)
    after = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}
    changed = [file for file in files if before[file][0] != after[file][0]]
    assert changed == [files[2]]
    assert before[files[2]][1] == after[files[2]][1]


def test_an_interrupted_npz_is_not_there_and_is_finished_later(
        source: Source, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features_of, calls = extract_features.features_of, []

    def interrupted(*args: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return features_of(*args)

    monkeypatch.setattr(extract_features, 'features_of', interrupted)
    with pytest.raises(KeyboardInterrupt):
        source.extract(f'{out}.npz')
    assert not (source.folder / f'{out}.npz').exists()
    path = source.extract(f'{out}.npz')
    assert len(calls) == 4 + 5
    assert len(read(path)) == 8
    assert not path.with_name(f'{path.name}.parts').exists()


def refused(source: Source, capsys: pytest.CaptureFixture, out: str, *options: str) -> str:
    with pytest.raises(SystemExit) as end:
        source.extract(out, *options)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_features_made_otherwise_are_not_mixed(source: Source, out: str,
                                               capsys: pytest.CaptureFixture) -> None:
    source.extract(out)
    assert 'holds features made with another dtype, maps: remove' in refused(
        source, capsys, out, '--maps', '--dtype', 'float32')
    (source.folder / f'{out}2').mkdir()
    (source.folder / f'{out}2' / 'letter.txt').write_text('mine')
    assert 'is not empty and has no extraction.json' in refused(source, capsys, f'{out}2')
    (source.folder / f'{out}.npz').write_text('mine')
    assert 'is there already' in refused(source, capsys, f'{out}.npz')


# --- what does not fit


def test_an_unreadable_video_is_named_and_left_out_only_when_asked(
        tmp_path: Path, out: str, capsys: pytest.CaptureFixture) -> None:
    source = Source(tmp_path)
    broken = Path(source.videos.get_data_info(2)['filename'])
    broken.write_bytes(b'no video' * 100)
    message = refused(source, capsys, f'{out}.npz')
    assert f'left out: {broken.stem}' in message.replace('clips/', '')
    assert '1 videos could not be read. Repair' in message
    assert not (tmp_path / f'{out}.npz').exists()
    data = read(source.extract(f'{out}.npz', '--skip-bad'))
    names: List[str] = [data.get_data_info(i)['video_id'] for i in range(len(data))]
    assert len(names) == 7 and not any(name.endswith(broken.stem) for name in names)


def test_another_backbones_checkpoint_is_refused(source: Source, out: str,
                                                 capsys: pytest.CaptureFixture) -> None:
    message = refused(source, capsys, out, '--cfg-options', 'model.backbone.channels=(8,)')
    assert 'is not that of the config' in message and 'of another shape' in message
    assert not (source.folder / out).exists()
    source.checkpoint.rename(source.folder / 'moved.pth')
    try:
        assert "or 'none' for the weights that the config names" in refused(source, capsys, out)
    finally:
        (source.folder / 'moved.pth').rename(source.checkpoint)


def test_values_beyond_half_precision_are_refused_with_the_remedy(
        source: Source, out: str, capsys: pytest.CaptureFixture) -> None:
    weights = torch.load(source.checkpoint, weights_only=True)
    large = {key: value * 1e6 if key.endswith('stages.0.1.weight') else value
             for key, value in weights['state_dict'].items()}
    torch.save(dict(state_dict=large), source.folder / 'large.pth')
    with pytest.raises(SystemExit):
        extract_features.main([str(source.config), str(source.folder / 'large.pth'),
                               str(source.folder / out), '--workers', '0'])
    message = capsys.readouterr().err
    assert '--dtype float16: item' in message and 'contains inf' in message
    assert not list((source.folder / out).rglob('*.npy'))


def test_processes_that_decode_give_the_same(source: Source, out: str) -> None:
    one, two = source.extract(out), source.folder / f'{out}2'
    extract_features.main([str(source.config), str(source.checkpoint), str(two), '--workers', '2'])
    for file in one.rglob('*.npy'):
        assert np.array_equal(np.load(file), np.load(two / file.relative_to(one)))
