"""Every config of recognition builds, trains and tests; all configs inherit at most three deep."""
from pathlib import Path
from typing import Iterator, List

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from cbm_plugin.synthetic.video import write_mp4

from .tiny_run import ROOT

CONFIGS = sorted((ROOT / 'configs').glob('[!_]*/*.py'))
RECOGNITION = [path for path in CONFIGS if path.parent.name == 'recognition']
EPOCHS = 1


@pytest.fixture(scope='module')
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos with lists, as configs for real data expect it."""
    folder = tmp_path_factory.mktemp('videos')
    rng = np.random.default_rng(0)
    for i in range(4):
        write_mp4(folder / f'{i}.mp4', rng.integers(0, 256, (40, 60, 80, 3), dtype=np.uint8))
    lines = ''.join(f'{i}.mp4 {i}\n' for i in range(4))
    for name in ('train_list.txt', 'val_list.txt'):
        (folder / name).write_text(lines)
    return folder


@pytest.fixture
def environment(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv('DATA_ROOT', str(data_root))
    yield


def loaders(cfg: Config) -> List[dict]:
    return [cfg[f'{split}_dataloader'] for split in ('train', 'val', 'test')]


@pytest.mark.parametrize('path', RECOGNITION, ids=lambda path: path.stem)
def test_a_config_trains_two_iterations_and_tests(path: Path, environment: None,
                                                  tmp_path: Path) -> None:
    cfg = Config.fromfile(path)
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = cfg.visualizer.name = path.stem
    for loader in loaders(cfg):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        if loader.dataset.type == 'MotionClips':
            loader.dataset.update(data_root=str(tmp_path / 'data'), num_clips=4)
    cfg.train_cfg.max_epochs = EPOCHS
    for scheduler in cfg.param_scheduler:
        scheduler.total_steps = EPOCHS
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    assert 0 <= runner.test()['acc/top1'] <= 1


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_inherits_at_most_three_deep(path: Path) -> None:
    def depth(config: Path) -> int:
        bases = Config.fromfile(config, import_custom_modules=False)._cfg_dict and \
            Config._get_base_files(str(config))
        return 1 + max((depth(config.parent / base) for base in bases), default=0)

    assert depth(path) <= 3
