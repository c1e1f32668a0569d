"""Trainings on small files of features: a real config, hundredths of a second an iteration."""
from pathlib import Path
from typing import Any, Optional

import numpy as np
from mmengine.config import Config

import cbm_plugin.recognition  # noqa: F401  (registers)

from ..tiny_run import ROOT

CONFIG = (ROOT / 'configs/anticipation/ucf101_features'
          / 'cbm15_vgg16-fc6_1xb16-25x1x1-20e_ucf101-features.py')
VIDEOS, FRAMES, CHANNELS, CLASSES = 12, 8, 3, 3
BATCH, EPOCHS = 4, 2

TOO_LARGE = 3e38
"""A number that float32 holds, and the sum of two does not."""

CLIPS = [dict(type='SampleOverlapClips', num_clips=2, min_len=3, max_len=6),
         dict(type='LoadFeatures'),
         dict(type='PackActionInputs', algorithm_keys=('clip_plan',))]


def write_features(folder: Path, seed: int, bad: Optional[int] = None,
                   bad_frames: int = FRAMES) -> Path:
    """Write ``features.npz``; the video ``bad`` overflows in whatever sums or squares it.

    Args:
        bad_frames: so many of its frames, the last ones; default all.
    """
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((VIDEOS, FRAMES, CHANNELS)).astype(np.float32)
    if bad is not None:
        end = features[bad, -bad_frames:]
        end[:] = TOO_LARGE * np.where(end < 0, -1, 1)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / 'features.npz', features=features, label=np.arange(VIDEOS) % CLASSES,
             video=np.array([f'v{i}' for i in range(VIDEOS)]), split=np.array(['train'] * VIDEOS))
    return folder


def features_config(data: Path, work_dir: Path, **options: Any) -> Config:
    """Two layers of 4 channels with batch norm and two clips a video; no validation.

    ``options`` are merged in at the end, as ``--cfg-options`` would.
    """
    cfg = Config.fromfile(CONFIG)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = cfg.visualizer.name = '_'.join(work_dir.parts[-3:])
    cfg.test_after_train = False
    cfg.model.neck.update(in_channels=CHANNELS, hidden_channels=[4, 4],
                          layer=dict(type='CBM', kernel_size=None, norm='BN'))
    cfg.model.backbone.in_channels = CHANNELS
    cfg.model.cls_head.update(in_channels=4, num_classes=CLASSES)
    cfg.train_dataloader.batch_size = BATCH
    cfg.train_dataloader.dataset.update(data_root=str(data), num_classes=CLASSES, per_class=None,
                                        pipeline=CLIPS)
    cfg.custom_hooks.append(dict(type='CoherenceHook', weight=0.5))
    cfg.default_hooks.logger.interval = 1
    cfg.train_cfg.max_epochs = EPOCHS
    cfg.param_scheduler[0].total_steps = EPOCHS
    cfg.merge_from_dict(options)
    return cfg
