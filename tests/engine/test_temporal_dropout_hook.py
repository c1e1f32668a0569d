"""A rate of temporal dropout that falls while a model trains."""
from pathlib import Path
from typing import List

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from cbm_plugin.engine import TemporalDropoutHook
from cbm_plugin.layers.temporal_dropout import TemporalDropout

from ..tiny_run import ROOT


class _Rates(Hook):
    """Keeps the rates that each iteration trained with."""

    priority = 'LOW'

    def __init__(self) -> None:
        self.rates: List[set] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        self.rates.append({module.p for module in runner.model.modules()
                           if isinstance(module, TemporalDropout)})


def runner_of(folder: Path, name: str, **options: object) -> Runner:
    """Two layers, two epochs of two iterations."""
    cfg = Config.fromfile(ROOT / 'configs/studies/_base_/early_cue.py')
    cfg.work_dir, cfg.experiment_name, cfg.visualizer.name = str(folder / name), name, name
    cfg.merge_from_dict({
        'model.neck.hidden_channels': [4, 4], 'model.cls_head.in_channels': 4,
        'train_dataloader.batch_size': 4, 'train_dataloader.dataset.num_sequences': 8,
        'train_cfg.max_epochs': 2, 'param_scheduler.0.total_steps': 2, 'val_cfg': None,
        'val_dataloader': None, 'val_evaluator': None, 'default_hooks.checkpoint.interval': 1,
        'default_hooks.logger.interval': 1, **options})
    cfg.custom_hooks.append(dict(type='TemporalDropoutHook', start=0.9, end=0.3))
    return Runner.from_cfg(cfg)


def test_the_rate_goes_from_start_to_end_in_every_layer_and_a_resumed_run_goes_on(
        tmp_path: Path) -> None:
    seen, resumed = _Rates(), _Rates()
    runner = runner_of(tmp_path, 'whole')
    runner.register_hook(seen)
    runner.train()
    assert [len(rates) for rates in seen.rates] == [1] * 4
    assert [rates.pop() for rates in seen.rates] == pytest.approx([0.9, 0.7, 0.5, 0.3])
    runner = runner_of(tmp_path, 'resumed', resume=True,
                       load_from=str(tmp_path / 'whole' / 'epoch_1.pth'))
    runner.register_hook(resumed)
    runner.train()
    assert [rates.pop() for rates in resumed.rates] == pytest.approx([0.5, 0.3])


def test_a_model_without_temporal_dropout_is_refused(tmp_path: Path) -> None:
    runner = runner_of(tmp_path, 'lstm', **{'model.neck.layer': dict(_delete_=True, type='LSTM')})
    with pytest.raises(ValueError, match='no layer of the model has temporal dropout'):
        runner.train()


@pytest.mark.parametrize('options', [dict(start=1.5), dict(end=-0.1)])
def test_a_rate_outside_of_0_to_1_is_refused(options: dict) -> None:
    with pytest.raises(ValueError, match='a probability lies in 0..1'):
        TemporalDropoutHook(**options)
