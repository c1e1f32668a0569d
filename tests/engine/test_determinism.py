"""The same seed gives the same curve, to the last bit, whatever else draws random numbers."""
import json
import random
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from cbm_plugin.engine import SeedIterationHook
from cbm_plugin.engine.launch import init_cpu_process_group, leave_process_group

from ..faults.features import features_config, write_features
from ..faults.processes import read, start_two
from ..prediction.test_configs import small
from ..tiny_run import DEFAULT, ROOT, cfg_options, tiny_config

TIMES = ('time', 'data_time', 'memory')


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """One thread; what --deterministic switches on is switched off again."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def curve(work_dir: Path) -> List[Dict[str, Any]]:
    """All that a training logged, but how long it took."""
    log, = work_dir.glob('*/vis_data/2*.json')
    return [{key: value for key, value in json.loads(line).items() if key not in TIMES}
            for line in log.read_text().splitlines()]


# --- tools/train.py --seed S --deterministic


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('determinism')


def from_the_command_line(folder: Path, name: str, workers: int, seed: int) -> List[dict]:
    options = cfg_options(folder, **{
        'train_dataloader.num_workers': workers, 'val_dataloader.num_workers': workers,
        'test_after_train': False, 'model.cls_head.dropout_ratio': 0.3,
        'visualizer.name': name, 'experiment_name': name})
    main: Callable[[List[str]], None] = runpy.run_path(str(ROOT / 'tools/train.py'))['main']
    main([str(DEFAULT), '--work-dir', str(folder / name), '--seed', str(seed),
                '--deterministic', *options])
    return curve(folder / name)


@pytest.fixture(scope='module')
def first(folder: Path) -> List[dict]:
    torch.set_num_threads(1)
    return from_the_command_line(folder, 'first', workers=0, seed=4)


@pytest.mark.parametrize('workers', [0, 2])
def test_the_same_seed_gives_the_same_curve_whatever_the_workers(folder: Path, first: List[dict],
                                                                 workers: int) -> None:
    assert any('loss_coherence' in row for row in first) and any('acc/top1' in row for row in first)
    assert from_the_command_line(folder, f'again_{workers}', workers, seed=4) == first


def test_another_seed_gives_another_curve(folder: Path, first: List[dict]) -> None:
    assert from_the_command_line(folder, 'other', 0, seed=5) != first


# --- what else draws


class DrawsToo(Hook):
    """Leaves all generators in a state that nobody knows, before and after every iteration."""
    priority = 'HIGHEST'

    def before_train_iter(self, *args: Any, **kwargs: Any) -> None:
        for seed in (random.seed, np.random.seed):
            seed()
        torch.seed()

    after_train_iter = before_train_iter


def recognition(folder: Path, name: str) -> Config:
    """Clip plans, crops and flips of videos; temporal dropout and dropout."""
    return tiny_config(folder, name)


def features(folder: Path, name: str) -> Config:
    """Clip plans of features."""
    write_features(folder / 'data', seed=0)
    return features_config(folder / 'data', folder / name)


def polygon(folder: Path, name: str) -> Config:
    """Clip plans and augmentation of outlines; temporal dropout."""
    cfg = Config.fromfile(
        ROOT / 'configs/polygon/polygon-cbm15_scratch_1xb16-2clips-3e_synthetic-shapes.py')
    loader = cfg.train_dataloader
    loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    loader.dataset.update(data_root=str(folder / 'data'), num_images=3, indices=6)
    cfg.model.rnn.hidden_channels = [4] * len(cfg.model.rnn.hidden_channels)
    cfg.train_cfg.max_epochs = cfg.param_scheduler[0].total_steps = 1
    return cfg


def clips_of_frames(folder: Path, name: str) -> Config:
    """Clip plans of frames to predict."""
    return small(ROOT / 'configs/prediction/cbm15-overlap_scratch_1xb8-10to30-2e_moving-shapes.py',
                 folder / name)


def fed_back(folder: Path, name: str) -> Config:
    """Which frames are given, and which predictions are fed back."""
    cfg = small(ROOT / 'configs/prediction/cbm15_scratch_1xb8-10to10-2e_moving-shapes.py',
                folder / name)
    cfg.model.feeding.update(start=0.5, end=0.5)
    return cfg


@pytest.mark.parametrize('config', [recognition, features, polygon, clips_of_frames, fed_back])
def test_no_draw_depends_on_what_was_drawn_before(tmp_path: Path, config: Callable) -> None:
    curves = []
    for name in ('alone', 'disturbed'):
        cfg = config(tmp_path, name)
        cfg.work_dir = str(tmp_path / name)
        cfg.experiment_name = cfg.visualizer.name = f'{config.__name__}_{name}'
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        cfg.default_hooks.logger.interval = 1
        cfg.default_hooks.checkpoint.save_best = None
        runner = Runner.from_cfg(cfg)
        if name == 'disturbed':
            runner.register_hook(DrawsToo())
        runner.train()
        curves.append(curve(tmp_path / name))
    assert len(curves[0]) > 1 and curves[0] == curves[1]


def draw(folder: Path) -> None:
    """What a process of two draws in the fourth iteration of seed 5."""
    init_cpu_process_group('pytorch')
    SeedIterationHook().before_train_iter(SimpleNamespace(seed=5, iter=3), 0)
    print('drawn', random.random(), np.random.rand(), torch.rand(1).item())
    leave_process_group()


def test_each_of_two_processes_draws_its_own_numbers_and_the_same_again(tmp_path: Path) -> None:
    drawn = []
    for _ in range(2):
        processes, outputs = start_two(draw, tmp_path)
        drawn.append([read(pipe)[0].split('drawn')[1].split() for pipe in outputs])
        for process in processes:
            process.join()
    assert drawn[0] == drawn[1]
    assert not set(drawn[0][0]) & set(drawn[0][1])
