"""Every config of future prediction trains two iterations, tests, and rolls out 30 steps."""
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from cbm_plugin.synthetic.motion_clips import render_motion_clip
from cbm_plugin.synthetic.video import write_mp4

from ..tiny_run import ROOT

CONFIGS = sorted((ROOT / 'configs' / 'prediction').glob('**/*.py'))
FRAMES = 44


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST's files, KTH's and a folder of videos, all generated."""
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    for name, number in (('train-images-idx3-ubyte', 5010), ('t10k-images-idx3-ubyte', 10)):
        digits = rng.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        header = struct.pack('>4i', 0x0803, number, 28, 28)
        (root / f'{name}.gz').write_bytes(gzip.compress(header + digits.tobytes(), 1))
    lines = []
    for person in range(1, 26):
        frames = render_motion_clip(person % 8, np.random.default_rng(person), FRAMES, 32)
        write_mp4(root / f'person{person:02d}_boxing_d1_uncomp.avi', frames, 8)
        lines.append(f'person{person:02d}_boxing_d1  frames  1-{FRAMES}\n')
    (root / '00sequences.txt').write_text(''.join(lines))
    for split, persons in (('train', (1, 2)), ('val', (17, 18))):
        names = ''.join(f'person{person:02d}_boxing_d1_uncomp.avi 0\n' for person in persons)
        (root / f'{split}_list.txt').write_text(names)
    return root


def small(path: Path, work_dir: Path) -> Config:
    """The config with narrow layers, two training iterations and two test sequences."""
    cfg = Config.fromfile(path)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = cfg.visualizer.name = path.stem
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=1, num_workers=0, persistent_workers=False)
        loader.dataset.update(indices=2)
        loader.dataset.pop('num_sequences', None)
        if loader.dataset.type.startswith('Moving'):
            loader.dataset.pop('indices')
            loader.dataset.num_sequences = 2
        else:
            loader.dataset.size = 32
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    for scheduler in cfg.get('param_scheduler') or ():
        scheduler.total_steps = 1
    network = cfg.model.network
    network.hidden_channels = [4] * len(network.hidden_channels)
    if network.type == 'MCnet':
        network.update(width=2, hidden_channels=[8] * len(network.hidden_channels))
    if 'discriminator' in cfg.model:
        cfg.model.discriminator.update(widths=(4, 4, 4, 4), size=32)
    return cfg


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_trains_two_iterations_and_predicts_thirty_steps(
        path: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DATA_ROOT', str(data))
    runner = Runner.from_cfg(small(path, tmp_path))
    runner.train()
    assert runner.iter == 2
    assert np.isfinite(runner.test()['prediction/psnr'])
    model = runner.model.eval()
    frames = torch.rand(1, 3, model.network.channels, 32, 32)
    predicted = model.rollout(frames, 30)
    assert predicted.shape == (1, 30, model.network.channels, 32, 32)
    assert 0 <= float(predicted.min()) <= float(predicted.max()) <= 1
