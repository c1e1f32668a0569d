"""The early cue as a data set: its splits, its items, and training on it."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from cbm_plugin.recognition import EarlyCue

from ..tiny_run import ROOT

PIPELINE = [dict(type='SampleSequence'), dict(type='LoadFeatures'), dict(type='PackActionInputs')]


def early_cue(split: str = 'train', **options: object) -> EarlyCue:
    init_default_scope('mmaction')
    return EarlyCue(split, 40, PIPELINE, **options)


def inputs_of(data: EarlyCue) -> torch.Tensor:
    return torch.stack([data[number]['inputs'] for number in range(len(data))]).flatten(2)


def test_a_sample_is_a_sequence_of_vectors_with_its_label() -> None:
    data = early_cue(num_frames=6, size=4)
    sample = data[0]
    assert len(data) == 40 and sample['inputs'].shape == (6, 16, 1, 1)
    assert int(sample['data_samples'].gt_label) == data.labels[0]


def test_the_class_shows_in_the_items_of_the_cue_alone() -> None:
    data = early_cue(cue_frames=3)
    of_class = inputs_of(data)[np.array(data.labels) == 0].mean(0)  # 24 items of 8x8 pixels
    lit = of_class.unflatten(1, (8, 8))[:, :4, :4].mean((1, 2))
    assert bool((lit[:3] > 1.5).all()) and bool((lit[3:].abs() < 0.5).all())


def test_splits_and_seeds_share_no_sequence_and_repeat_themselves() -> None:
    one = inputs_of(early_cue())
    assert torch.equal(one, inputs_of(early_cue()))
    for other in (early_cue('test'), early_cue(seed=1)):
        assert not np.isin(one.numpy(), inputs_of(other).numpy()).all(axis=(1, 2)).any()


def test_an_option_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match='cue_frames=25 is not within 1..num_frames=24'):
        early_cue(cue_frames=25)


def test_its_config_trains_and_ends_with_the_accuracy_of_the_last_item(tmp_path: Path) -> None:
    cfg = Config.fromfile(ROOT / 'configs/studies/_base_/early_cue.py')
    cfg.work_dir, cfg.experiment_name = str(tmp_path), 'early_cue'
    cfg.visualizer.name = 'early_cue'
    cfg.model.neck.hidden_channels = [64] * 5
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.cue_level = 2.0  # learnt in a few updates
    cfg.train_cfg.max_epochs = cfg.param_scheduler[0].total_steps = 4
    runner = Runner.from_cfg(cfg)
    runner.train()
    tested = runner.test()
    assert tested['early/top1_100'] == tested['acc/top1'] >= 0.8
