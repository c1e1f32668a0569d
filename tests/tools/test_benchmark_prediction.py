"""The benchmark of prediction: both sides do the same work, and what is written. Not how fast."""
import json
import statistics
import sys
from argparse import Namespace
from pathlib import Path
from typing import Dict, List

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

import cbm_plugin.prediction  # noqa: F401  (registers everything)

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'analysis_tools'))

import benchmark_prediction as benchmark  # noqa: E402
from prediction_benchmark import metrics, rollout, training  # noqa: E402
from prediction_benchmark.rows import Goal, markdown, ratio_row  # noqa: E402


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of what needs no further package, into a page with text around the table's place."""
    folder = tmp_path_factory.mktemp('benchmark')
    (folder / 'page.md').write_text(f'before\n{benchmark.BEGIN}\nold\n{benchmark.END}\nafter\n')
    benchmark.main(['--quick', '--parts', 'rollout', 'training', '--dtypes', 'float32',
                    '--json', str(folder / 'out.json'), '--out', str(folder / 'page.md')])
    return folder


@pytest.fixture
def report(written: Path) -> Dict:
    return json.loads((written / 'out.json').read_text())


def rows_with(report: Dict, words: str) -> List[Dict]:
    return [row for row in report['rows'] if words in row['what']]


# -- what is written


def test_each_figure_is_the_median_of_the_rounds_ratios(report: Dict) -> None:
    assert len(report['rows']) == 2 * 3 + 2 * 3
    for row in report['rows']:
        ratios = [a / b for a, b in zip(row['above'], row['below'])]
        assert row['ratio'] == pytest.approx(statistics.median(ratios))
        assert row['lowest'] <= row['ratio'] <= row['highest']


def test_the_page_has_all_figures_and_the_command_that_repeats_them(
        written: Path, report: Dict) -> None:
    text = (written / 'page.md').read_text()
    assert text.startswith('before\n') and text.endswith('after\n') and 'old' not in text
    assert all(f'| {row["what"]} |' in text for row in report['rows'])
    assert report['command'] in text and report['command'].endswith('--dtypes float32 --quick')
    assert report['machine']['cores'] >= 1


def test_a_missed_goal_is_told_with_what_bounds_it() -> None:
    machine = dict(cpu='', cores=1, threads=1, isa='', torch='', load_before=0)
    rows = [ratio_row('missed', [3., 3., 9.], [2., 2., 2.], goal=Goal(2.), bound='The sea.'),
            ratio_row('met', [1.], [1.], goal=Goal(1.1, at_most=True), bound='The sky.')]
    text = markdown(dict(command='', machine=machine, rows=rows))
    assert '- missed: 1.50, goal at least 2. The sea.' in text and 'The sky.' not in text


# -- training


def test_a_loop_that_computes_something_else_ends_the_benchmark(
        capsys: pytest.CaptureFixture) -> None:
    class WithoutShortcuts(training.PlainNetwork):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__(network)
            self.spans = {}

    with pytest.raises(SystemExit):
        training.check_the_loop(WithoutShortcuts)
    assert 'something else than the model' in capsys.readouterr().err


def test_the_convolutions_alone_are_those_of_all_frames_that_a_step_runs() -> None:
    network = training.build('teacher').network
    args = Namespace(batch=2, frames=7, inputs=4)
    for feeding, calls in (('teacher', [12]), ('feedback', [8, 2, 2])):
        limit = training.Convolutions(network, feeding, 'float32', args)
        assert limit.calls == calls
        done = sum(len(x) * weight.numel() for x, weight, _ in limit.work)
        assert done == 12 * training.multiply_adds(network)


def test_conv_lstm_layers_of_equal_width_have_what_their_gates_cost() -> None:
    light, lstm = (training.multiply_adds(training.build('teacher', kind).network)
                   for kind in ('CBM', 'ConvLSTM'))
    layer = 9 * 16 * 16  # 3x3 kernels, 16 channels
    assert light == 15 * 3 * layer + 2 * layer and lstm == 15 * 8 * layer + 2 * layer


def test_a_measured_step_moves_the_weights() -> None:
    model = training.build('feedback')
    before = [parameter.clone() for parameter in model.parameters()]
    training.TrainingStep(model, 'bfloat16', Namespace(batch=1, frames=4, inputs=2))()
    assert all((parameter != old).any() for parameter, old in zip(model.parameters(), before))


# -- rollouts


def test_memory_of_a_rollout_does_not_grow_and_a_network_that_keeps_frames_is_seen(
        report: Dict) -> None:
    for row in rows_with(report, 'tensors alive'):
        assert row['above'] == row['below'] and row['above'][0] > 0
    network = rollout.build_network('light', 1)
    kept, step = [], network.step

    def keeping(frame: torch.Tensor, state: object) -> tuple:
        kept.append(frame)
        return step(frame, state)

    network.step = keeping
    rollout.peak_bytes(network, 2)  # weights are prepared
    few, many = rollout.peak_bytes(network, 4), rollout.peak_bytes(network, 24)
    assert many - few == 20 * 64 * 64 * 4


# -- metrics


def numpy_metric(name: str, prediction: np.ndarray, truth: np.ndarray) -> float:
    """What scikit-image computes, by its formulas."""
    off = prediction.astype(float) - truth
    if name != 'ssim':
        return dict(mse_per_frame=(off ** 2).sum(), mae_per_frame=np.abs(off).sum(),
                    psnr=-10 * np.log10((off ** 2).mean()))[name]

    def mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values, (1, 7, 7))

    x, y = prediction.astype(float), truth.astype(float)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (49 / 48 * (mean(a * b) - mean(a) * mean(b)) for a, b in
                   ((x, x), (y, y), (x, y)))
    similarity = ((2 * mx * my + 1e-4) * (2 * vxy + 9e-4)
                  / ((mx ** 2 + my ** 2 + 1e-4) * (vx + vy + 9e-4)))
    return similarity[:, 3:-3, 3:-3].mean()


SMALL = Namespace(sequences=2, frames=4, inputs=2, rounds=2)


def test_metrics_are_timed_against_a_reference_of_the_same_values() -> None:
    rows = metrics.metrics_part(SMALL, lambda: numpy_metric)
    assert [row['goal'] for row in rows].count('at least 5') == len(metrics.SHAPES)
    assert all(len(row['above']) == 2 and row['ratio'] > 0 for row in rows)


@pytest.mark.parametrize('metric', metrics.METRICS)
def test_a_value_that_differs_ends_the_benchmark(
        metric: str, capsys: pytest.CaptureFixture) -> None:
    def off(name: str, *frames: np.ndarray) -> float:
        value = numpy_metric(name, *frames)
        return value + 3e-4 * max(1, value) * (name == metric)

    with pytest.raises(SystemExit):
        metrics.metrics_part(SMALL, lambda: off)
    assert f'{metric} differs from the reference' in capsys.readouterr().err


# -- mistakes


@pytest.mark.parametrize('argv, said', [
    (['--rounds', '0'], '--rounds is 0, but must be at least 1'),
    (['--frames', '5', '--inputs', '4'], '--frames is 5, but must be at least 2 more'),
    (['--steps', '10', '10'], '--steps are 10 and 10'),
    (['--json', 'none/x.json'], 'the folder of none/x.json does not exist'),
], ids=lambda value: value[0] if isinstance(value, list) else '')
def test_mistakes_are_told_before_anything_is_measured(
        capsys: pytest.CaptureFixture, argv: list, said: str) -> None:
    with pytest.raises(SystemExit) as end:
        benchmark.main(argv)
    assert end.value.code == 2 and said in capsys.readouterr().err
