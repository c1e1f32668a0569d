"""The configs of early recognition train and end with a curve, on features made for it."""
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from ..tiny_run import ROOT

CONFIGS = sorted((ROOT / 'configs' / 'anticipation').glob('**/*.py'))
CHANNELS, CLASSES = 6, 3


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As configs/_base_/datasets/ucf101_features.py describes it, 2 videos a class and split."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(CLASSES), 4)
    np.savez(tmp_path / 'features.npz',
             features=rng.normal(size=(len(labels), 10, CHANNELS)).astype(np.float16),
             label=labels, split=np.repeat(['train', 'test'], 2 * CLASSES),
             video=np.array([f'v{i}' for i in range(len(labels))]),
             classes=np.array(['a', 'b', 'c']))
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    monkeypatch.setenv('NUM_CLASSES', str(CLASSES))
    monkeypatch.setenv('FEATURE_CHANNELS', str(CHANNELS))
    return tmp_path


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem.split('_')[0])
def test_a_config_trains_an_epoch_and_ends_with_the_curve(path: Path, features: Path) -> None:
    cfg = Config.fromfile(path)
    cfg.work_dir = str(features / 'run')
    cfg.experiment_name = cfg.visualizer.name = path.stem
    if cfg.model.neck is not None:
        cfg.model.neck.hidden_channels = [4] * len(cfg.model.neck.hidden_channels)
        cfg.model.cls_head.in_channels = 4
    else:
        cfg.model.cls_head.in_channels = CHANNELS
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.batch_size = 3
        if 'per_class' in loader.dataset:
            loader.dataset.per_class = 2
    cfg.train_cfg.max_epochs = cfg.param_scheduler[0].total_steps = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    values = runner.test()
    assert values['early/top1_100'] == pytest.approx(values['acc/top1'])
    assert {f'early/top1_{percent}' for percent in range(10, 101, 10)} <= set(values)
