"""The table of baselines on generated sequences, against what they must give."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from cbm_plugin.prediction.data.moving_shapes import MovingShapes

TOOLS = Path(__file__).parents[2] / 'tools' / 'analysis_tools'
sys.path.insert(0, str(TOOLS))

import prediction_baselines  # noqa: E402

SEQUENCES = dict(type='MovingShapes', num_sequences=3, num_inputs=4, num_outputs=6, size=32)


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp('configs') / 'shapes.py'
    Config(dict(
        default_scope='mmaction', custom_imports=dict(imports=['cbm_plugin.prediction']),
        model=dict(type='VideoPredictor'),
        test_dataloader=dict(
            batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(split='test', test_mode=True, pipeline=[dict(type='PackFrames')],
                         **SEQUENCES)))).dump(file)
    return str(file)


def rows(text: str) -> list:
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in text.splitlines() if line.startswith('|')]


def test_the_table_holds_the_errors_of_the_three_baselines(config, tmp_path, capsys):
    out = tmp_path / 'new' / 'baselines.md'
    prediction_baselines.main([config, '--metrics', 'mse_per_frame', '--out', str(out),
                               '--json-dir', str(tmp_path)])
    assert capsys.readouterr().out == out.read_text()
    head, _, *lines = rows(out.read_text())
    assert head == ['metric', 'prediction', 'mean', 'T1', 'T5']
    data = MovingShapes(split='test', **{key: value for key, value in SEQUENCES.items()
                                         if key != 'type'})
    frames = np.stack([data[n]['imgs'] for n in range(3)]) / 255
    inputs, truth = frames[:, :4], frames[:, 4:]
    expected = {'copy of the last frame': inputs[:, -1:], 'black': 0 * inputs[:, :1],
                'mean of the inputs': inputs.mean(1, keepdims=True)}
    assert [line[1] for line in lines] == ['copy of the last frame', 'mean of the inputs', 'black']
    for _, name, *values in lines:
        errors = ((truth - expected[name]) ** 2).sum((2, 3, 4)).mean(0)
        assert [float(value) for value in values] == pytest.approx(
            [errors.mean(), errors[0], errors[4]], rel=1e-3)
    assert 'mse_per_frame: squared error, sum over pixels' in out.read_text()
    steps = json.loads((tmp_path / 'BlackFrame.json').read_text())['metrics']['mse_per_frame']
    assert steps[4] == pytest.approx((truth ** 2).sum((2, 3, 4)).mean(0)[4])


def test_a_split_that_the_config_lacks_is_refused(config, capsys):
    with pytest.raises(SystemExit):
        prediction_baselines.main([config, '--split', 'val'])
    assert 'no val_dataloader: choose another --split' in capsys.readouterr().err
