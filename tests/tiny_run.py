"""The default config, cut down to seconds: real mp4 files, a real Runner."""
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config
from mmengine.runner import Runner

import cbm_plugin  # noqa: F401  (absorbs upstream faults)

ROOT = Path(__file__).parents[1]
DEFAULT = ROOT / 'configs/recognition/cbm15_scratch_1xb32-6to10x1x2-10e_motion-clips-rgb.py'


def tiny_config(folder: Path, name: str = 'run', **options: Any) -> Config:
    """2 layers of 4 channels, 12 training clips in batches of 4, two epochs.

    Args:
        folder: holds the data (shared by all runs there) and the work dirs.
        name: of the work dir.
        options: merged in, as ``--cfg-options`` would.
    """
    cfg = Config.fromfile(DEFAULT)
    cfg.work_dir = str(folder / name)
    cfg.merge_from_dict({
        'model.backbone.channels': (4,), 'model.neck.in_channels': 4,
        'model.neck.hidden_channels': [4, 4], 'model.neck.shortcuts': 2,
        'model.neck.pool_after': 2, 'model.cls_head.in_channels': 4,
        'model.cls_head.dropout_ratio': 0.3,
        'train_cfg.max_epochs': 2,
        'default_hooks.logger.interval': 1,
        'visualizer.name': f'{folder.name}_{name}',
        'experiment_name': f'{folder.name}_{name}',
    })
    cfg.param_scheduler[0].total_steps = 2
    for split, number in (('train', 12), ('val', 8), ('test', 8)):
        loader = cfg[f'{split}_dataloader']
        loader.dataset.data_root = str(folder / 'data')
        loader.dataset.num_clips = number
        loader.batch_size, loader.num_workers, loader.persistent_workers = 4, 0, False
    cfg.merge_from_dict(options)
    return cfg


def cfg_options(folder: Path, **options: Any) -> list:
    """The same cut as command line arguments for ``tools/train.py``."""
    values = {
        'model.backbone.channels': '(4,)', 'model.neck.in_channels': 4,
        'model.neck.hidden_channels': '[4,4]', 'model.neck.shortcuts': 2,
        'model.neck.pool_after': 2, 'model.cls_head.in_channels': 4, 'train_cfg.max_epochs': 1,
        'param_scheduler.0.total_steps': 1, 'default_hooks.logger.interval': 1}
    for split, number in (('train', 8), ('val', 8), ('test', 8)):
        values.update({f'{split}_dataloader.dataset.data_root': folder / 'data',
                       f'{split}_dataloader.dataset.num_clips': number,
                       f'{split}_dataloader.batch_size': 4,
                       f'{split}_dataloader.num_workers': 0,
                       f'{split}_dataloader.persistent_workers': False})
    values.update(options)
    return ['--cfg-options', *(f'{key}={value}' for key, value in values.items())]


def train(cfg: Config, resume_from: Optional[Path] = None) -> Runner:
    """Train, from the start or from a checkpoint."""
    if resume_from is not None:
        cfg.resume, cfg.load_from = True, str(resume_from)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner
