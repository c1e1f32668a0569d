"""The hook switches the scheme on, in a real run."""
import json
from pathlib import Path
from typing import List

import pytest

from cbm_plugin.overlap import CoherenceHook

from ..tiny_run import tiny_config, train


def logged(work_dir: Path) -> List[dict]:
    lines = next(work_dir.glob('*/vis_data/*.json')).read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if 'loss' in entry]


def run(folder: Path, name: str, **hook: object) -> List[dict]:
    cfg = tiny_config(folder, name, val_cfg=None, val_dataloader=None, val_evaluator=None)
    cfg.custom_hooks = [h for h in cfg.custom_hooks if h['type'] != 'CoherenceHook']
    if hook:
        cfg.custom_hooks.append(dict(type='CoherenceHook', **hook))
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=-1)
    train(cfg)
    return logged(folder / name)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('hook')


def test_weight_distance_and_their_product_are_logged(folder: Path) -> None:
    for entry in run(folder, 'on', weight=2.0):
        assert entry['coherence_weight'] == 2.0
        assert entry['coherence'] > 0


def test_the_product_is_part_of_the_loss(folder: Path) -> None:
    entry = run(folder, 'part', weight=2.0)[0]
    assert entry['loss'] == pytest.approx(entry['loss_cls'] + entry['loss_coherence'], rel=1e-5)
    assert entry['loss_coherence'] == pytest.approx(2 * entry['coherence'], rel=1e-5)


def test_without_the_hook_the_same_config_trains_on_plain_clips(folder: Path) -> None:
    for entry in run(folder, 'off'):
        assert entry['loss_coherence'] == 0 and 'coherence_weight' not in entry


def test_the_weight_rises_over_the_warmup(folder: Path) -> None:
    weights = [entry['coherence_weight'] for entry in run(folder, 'warm', weight=1.0,
                                                          warmup_epochs=1)]
    assert weights[0] == 0 and weights[3:] == [1, 1, 1]
    assert weights == sorted(weights)


def test_a_weight_together_with_carry_is_said_to_do_nothing(folder: Path) -> None:
    run(folder, 'carry', weight=0.8, state='carry')
    log = next((folder / 'carry').glob('*/*.log')).read_text()
    assert "weight=0.8 with state='carry' trains nothing" in log


def test_a_stock_recognizer_is_refused_with_the_line_to_change(folder: Path) -> None:
    from mmengine.model import BaseModel

    class Stock(BaseModel):
        def forward(self, *args: object, **kwargs: object) -> None:
            return None

    class RunnerOfAStockModel:
        model = Stock()

    with pytest.raises(TypeError, match="set model.type to 'RecurrentRecognizer'"):
        CoherenceHook().before_train(RunnerOfAStockModel())


@pytest.mark.parametrize('options, message', [
    (dict(weight=-0.1), 'must not be negative'),
    (dict(warmup_epochs=-1), 'warmup_epochs is -1')])
def test_impossible_options_are_refused_when_the_config_is_read(options: dict,
                                                                message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CoherenceHook(**options)
