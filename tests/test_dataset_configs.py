"""The configs for UCF-101, HMDB-51 and Kinetics-400 build, train and test, narrowed to seconds."""
import os
import sys
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from cbm_plugin.synthetic.video import write_mp4

from .tiny_run import ROOT

DATASETS = ('ucf101', 'hmdb51', 'kinetics400')
CONFIGS = sorted(path for name in DATASETS
                 for path in (ROOT / 'configs/recognition' / name).glob('*.py'))
PIXELS = 32

sys.path.insert(0, str(ROOT / 'tools/data'))

from video_dataset.lists import Item, Split  # noqa: E402
from video_dataset.output import list_name  # noqa: E402


@pytest.fixture(scope='session')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos, as files and as images, and lists under the preparation tool's names."""
    root = tmp_path_factory.mktemp('official')
    (root / 'videos').mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        frames = rng.integers(0, 256, (9, 40, 64, 3), dtype=np.uint8)
        write_mp4(root / f'videos/{i}.mp4', frames)
        (root / f'rawframes/{i}').mkdir(parents=True)
        for number, frame in enumerate(frames, start=1):
            cv2.imwrite(str(root / f'rawframes/{i}/img_{number:05}.jpg'), frame)
    for name in DATASETS:
        for number in ((0,) if name == 'kinetics400' else (1, 2)):
            for part in ('train', 'val'):
                _write_lists(root, name, Split(number, part, [Item(str(i), i) for i in range(4)]))
    return root


def _write_lists(root: Path, name: str, split: Split) -> None:
    for kind, line in (('videos', '{}.mp4 {}\n'), ('rawframes', '{} 9 {}\n')):
        (root / list_name(name, split, kind)).write_text(
            ''.join(line.format(item.path, item.label) for item in split.items))


@pytest.fixture(autouse=True)
def environment(videos: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv('DATA_ROOT', str(videos))
    yield


def narrowed(path: Path, work_dir: Path) -> Config:
    """Two iterations of 2 videos, 5 frames of 32 pixels, layers of 4 channels; all else is kept."""
    cfg = Config.fromfile(path)
    cfg.work_dir, cfg.experiment_name = str(work_dir), path.stem
    cfg.visualizer.name = path.stem
    cfg.train_cfg.max_epochs = cfg.train_cfg.val_interval = 1
    cfg.default_hooks.checkpoint.update(interval=-1, save_last=False)  # hundreds of MB each
    for name in ('train', 'val', 'test'):
        loader = cfg[f'{name}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        for step in loader.dataset.pipeline:
            _narrow_step(step)
    _narrow_model(cfg.model)
    return cfg


def _narrow_step(step: dict) -> None:
    for later in step.get('geometry', ()):
        _narrow_step(later)
    if 'num_items' in step:
        step['num_items'] = 5
    if 'num_clips' in step:
        step.update(num_clips=2, min_len=2, max_len=3, min_overlap=1)
    if step['type'] == 'Resize':
        step['scale'] = (-1, PIXELS + 8) if step['scale'][0] == -1 else (PIXELS, PIXELS)
    if step['type'] == 'CenterCrop':
        step['crop_size'] = PIXELS


def _narrow_model(model: dict) -> None:
    if 'pretrained' in model['backbone']:
        model['backbone']['pretrained'] = None  # would be downloaded
    if model['backbone']['type'] == 'ResNet':
        model['backbone']['depth'], model['neck']['in_channels'] = 18, 512
    elif 'depth' in model['backbone']:
        model['backbone']['depth'] = 11
    if model['neck'] is None:
        return
    published = model['neck'].get('hidden_channels') or [64] * 17
    model['neck']['hidden_channels'] = [4] * len(published)
    model['cls_head']['in_channels'] = 4
    if 'map_size' in model['cls_head']:
        model['cls_head']['map_size'] = PIXELS // 32


def test_there_is_a_config_for_every_model_and_data_set() -> None:
    stems = {path.stem for path in CONFIGS}
    assert len(stems) == 14
    for name in ('ucf101', 'hmdb51'):
        assert sum(stem.endswith(f'{name}-rgb') for stem in stems) == 6
    assert sum(stem.endswith('ucf101-rawframes-rgb') for stem in stems) == 1


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_trains_two_iterations_and_tests(path: Path, tmp_path: Path) -> None:
    runner = Runner.from_cfg(narrowed(path, tmp_path))
    runner.train()
    assert runner.iter == 2
    assert 0 <= runner.test()['acc/top1'] <= 1


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_says_what_its_name_says(path: Path) -> None:
    cfg = Config.fromfile(path)
    model, pretrained, schedule, data = path.stem.split('_')
    machines, clips, epochs = schedule.split('-')
    gpus, batch = map(int, machines.split('xb'))
    lengths, _, number = clips.split('x')
    assert cfg.train_dataloader.batch_size == batch
    assert cfg.auto_scale_lr.base_batch_size == gpus * batch
    assert cfg.train_cfg.max_epochs == int(epochs.rstrip('e'))
    sampler = next(step for step in cfg.train_dataloader.dataset.pipeline
                   if step.type == 'SampleOverlapClips')
    assert [sampler.min_len, sampler.max_len] == [int(n) for n in lengths.split('to')]
    assert sampler.num_clips == int(number)
    assert bool(cfg.model.backbone.get('pretrained')) == pretrained.startswith('imagenet')
    classes = dict(ucf101=101, hmdb51=51, kinetics400=400)
    assert cfg.model.cls_head.num_classes == cfg.train_dataloader.dataset.num_classes == \
        classes[data.split('-')[0]]
    depth = int(''.join(filter(str.isdigit, model)) or 0)
    if model != 'cbm17' and depth:
        assert len(cfg.model.neck.hidden_channels) == depth


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_has_the_published_schedule(path: Path) -> None:
    optim = Config.fromfile(path).optim_wrapper
    kind = 'SGD' if path.stem.startswith('cbm17') else 'Adam'
    assert (optim.optimizer.type, optim.optimizer.lr, optim.optimizer.weight_decay) == \
        (kind, 1e-4, 1e-4)
    assert optim.optimizer.get('momentum') == (0.9 if kind == 'SGD' else None)
    assert optim.clip_grad == dict(type='value', clip_value=5)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_inherits_at_most_three_deep(path: Path) -> None:
    def depth(config: Path) -> int:
        bases = Config._get_base_files(str(config))
        return 1 + max((depth(config.parent / base) for base in bases), default=0)

    assert depth(path) <= 3


def test_the_split_is_chosen_in_the_environment(videos: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    path = next(path for path in CONFIGS if path.stem.endswith('ucf101-rgb'))
    monkeypatch.setenv('SPLIT', '2')
    cfg = Config.fromfile(path)
    assert cfg.train_dataloader.dataset.ann_file == f'{videos}/ucf101_train_split_2_videos.txt'
    assert cfg.test_dataloader.dataset.ann_file == f'{videos}/ucf101_val_split_2_videos.txt'
    assert os.path.isfile(cfg.test_dataloader.dataset.ann_file)


def test_raw_frames_have_the_protocol_of_the_videos() -> None:
    raw = next(path for path in CONFIGS if path.stem.endswith('ucf101-rawframes-rgb'))
    cfg, twin = (Config.fromfile(raw.with_name(name)) for name in (
        raw.name, raw.name.replace('-rawframes', '')))
    for name in ('model', 'optim_wrapper', 'train_cfg', 'custom_hooks', 'param_scheduler'):
        assert cfg.get(name) == twin.get(name)
    for name in ('train_dataloader', 'test_dataloader'):
        assert _single_steps(cfg[name].dataset.pipeline) == \
            _single_steps(twin[name].dataset.pipeline)


def _single_steps(pipeline: list) -> list:
    """A pipeline without opening and decoding, what is fused taken apart."""
    steps = [inner for step in pipeline for inner in step.get('geometry', [step])]
    return [step for step in steps if step['type'] not in
            ('DecordInit', 'DecordDecode', 'RawFrameDecode', 'FormatShape')]
