"""The benchmark of the recurrent layers: what it counts and what it writes. Never how fast."""
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

TOOLS = Path(__file__).parents[2] / 'tools' / 'analysis_tools'
sys.path.insert(0, str(TOOLS))

import benchmark_layers  # noqa: E402
from layer_benchmark import measure, memory, report, saved, summary  # noqa: E402
from layer_benchmark.bound import Bound  # noqa: E402
from layer_benchmark.contenders import PlainConvLSTM, StackRun, build_stack  # noqa: E402
from layer_benchmark.shapes import SHAPES, TINY, Shape  # noqa: E402

from cbm_plugin.layers import ConvLSTM  # noqa: E402

KEYS = {'shape', 'mode', 'impl', 'dtype', 'seconds_median', 'seconds_min', 'peak_bytes',
        'peak_rss_bytes', 'ratio_to_naive', 'share_of_bound'}
CPU = torch.device('cpu')


def flops(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """A bfloat16 run of the tiny shape, into a page with text around the place of the tables."""
    folder = tmp_path_factory.mktemp('benchmark')
    begin, end = (f'<!-- benchmark_layers cpu bfloat16: {word} -->' for word in ('begin', 'end'))
    (folder / 'page.md').write_text(f'before\n{begin}\nan old table\n{end}\nafter\n')
    benchmark_layers.main(['--quick', '--dtype', 'bfloat16', '--json', str(folder / 'rows.json'),
                           '--markdown', str(folder / 'page.md'),
                           '--plot', str(folder / 'plot.png')])
    return folder


@pytest.fixture
def rows(written):
    return json.loads((written / 'rows.json').read_text())['rows']


# -- what is written


def test_every_implementation_has_a_row_with_every_key_in_each_of_its_modes(rows):
    twins = {('naive', 'float32'), ('naive', 'bfloat16'), ('fast', 'bfloat16')}
    others = {(impl, 'bfloat16') for impl in ('convlstm', 'convlstm_plain', 'bound')}
    others.add(('cbm_plain', 'float32'))
    expected = {(*key, mode) for key in twins | others for mode in ('forward', 'train')}
    expected |= {(*key, 'step') for key in twins}
    assert {(row['impl'], row['dtype'], row['mode']) for row in rows} == expected
    assert len(rows) == len(expected)
    assert all(row.keys() >= KEYS and row['shape'] == 'tiny' for row in rows)
    assert all(0 < row['seconds_min'] <= row['seconds_median'] for row in rows)


def test_every_stack_has_its_memory_and_the_bound_has_none(rows):
    for row in rows:
        measured = row['mode'] == 'train' and row['impl'] != 'bound'
        assert (row['peak_bytes'] is not None and row['peak_bytes'] > 0) == measured
        assert (row['peak_rss_bytes'] is not None) == measured


def test_the_share_of_the_bound_is_given_in_the_bounds_own_dtype_only(rows):
    for row in rows:
        comparable = row['mode'] != 'step' and row['dtype'] == 'bfloat16'
        assert (row['share_of_bound'] is not None) == comparable


def test_the_file_says_on_what_machine_and_with_which_command(written):
    written = json.loads((written / 'rows.json').read_text())
    assert written['machine'].keys() >= {'cpu', 'threads', 'torch', 'isa'}
    assert written['settings']['command'].endswith('--device cpu --dtype bfloat16 --quick')


def test_the_tables_take_the_place_between_the_comments_and_leave_the_rest(written):
    text = (written / 'page.md').read_text()
    assert text.startswith('before\n<!-- benchmark_layers cpu bfloat16: begin -->\n')
    assert text.endswith('\n<!-- benchmark_layers cpu bfloat16: end -->\nafter\n')
    assert 'an old table' not in text
    assert '| naive float32 |' in text and '| convlstm_plain bfloat16 |' in text


def test_a_page_written_again_from_the_json_file_stays_the_same(written):
    before = (written / 'page.md').read_text()
    benchmark_layers.main(['--from-json', str(written / 'rows.json'),
                           '--markdown', str(written / 'page.md')])
    assert (written / 'page.md').read_text() == before


def test_the_picture_is_a_picture_and_nothing_else_is_left_in_the_folder(written):
    assert (written / 'plot.png').read_bytes().startswith(b'\x89PNG')
    assert {path.name for path in written.iterdir()} == {'rows.json', 'page.md', 'plot.png'}


def test_a_page_without_the_comments_is_refused_before_anything_is_measured(tmp_path, capsys):
    page = tmp_path / 'page.md'
    page.write_text('text\n')
    with pytest.raises(SystemExit) as stop:
        benchmark_layers.main(['--quick', '--markdown', str(page)])
    assert stop.value.code == 2
    assert '<!-- benchmark_layers cpu float32: begin -->' in capsys.readouterr().err
    assert page.read_text() == 'text\n'


def test_an_unknown_shape_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        benchmark_layers.main(['--shapes', '64ch'])
    assert "'64ch_14x14'" in capsys.readouterr().err


# -- what is counted


def test_saved_bytes_are_those_of_a_hand_count():
    linear = nn.Linear(5, 7, bias=False)
    x = torch.randn(3, 5)

    def forward():
        hidden = torch.sigmoid(linear(x))  # saves x for the weights, and its own output
        return hidden[:, :2] * hidden[:, 2:4]  # two views of what is saved already

    number, y = saved.saved_bytes(forward, linear.parameters())
    assert number == (4 * (3 * 5 + 3 * 7), 0)
    assert y.shape == (3, 2)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x * x)
        ctx.cache = dict(factors=[torch.full((5,), 3.0)])
        return x ** 3

    @staticmethod
    def backward(ctx, grad):
        return ctx.cache['factors'][0][0] * ctx.saved_tensors[0] * grad


def test_saved_bytes_count_what_a_custom_function_saves_and_what_it_keeps_on_its_context():
    x = torch.randn(11, requires_grad=True)
    number, y = saved.saved_bytes(lambda: torch.sigmoid(Cube.apply(x)), [x])
    assert number == (4 * (11 + 11), 4 * 5)
    y.sum().backward()


def test_the_memory_of_a_step_is_its_own_process_whatever_this_one_used_before():
    shape = Shape('', 16, (16,) * 4, 28, batch=4)
    filled = torch.ones(100_000_000)
    del filled
    found = memory.memory_of(shape, 'convlstm_plain', 'float32', CPU)
    one_map = 4 * 4 * 10 * 16 * 28 * 28  # float32, N*T frames, one layer's output
    assert found['peak_bytes'] == 4 * 8 * one_map  # [x, h], 4 gates, c and tanh(c) in 4 layers
    assert 0.9 * found['peak_bytes'] < found['peak_rss_bytes'] < 3 * found['peak_bytes']


def test_flops_are_those_of_the_formula():
    # 2 layers; R and T's input half and state half: 3 convolutions of 2 * 9 * 4 * 4 a pixel
    assert TINY.forward_flops == 2 * 3 * (2 * 9 * 4 * 4) * (2 * 3 * 5 * 5)
    assert TINY.train_flops == 3 * TINY.forward_flops


def test_the_polygon_stack_has_the_parameters_of_the_papers_table():
    stack = build_stack(SHAPES['polygon'], 'naive')
    assert round(sum(p.numel() for p in stack.parameters()) / 1e6, 2) == 5.85


@pytest.mark.parametrize('shape', [TINY, Shape('', 3, (5, 2), 6, batch=2, steps=4)])
def test_the_bound_computes_the_flops_of_the_formula(shape):
    bound = Bound(shape, 'float32', CPU, lambda: None)
    assert flops(bound.forward) == shape.forward_flops
    assert flops(bound.train) == shape.train_flops


def test_a_naive_cbm_stack_computes_the_flops_of_the_formula():
    assert flops(StackRun(TINY, 'naive', 'float32', CPU).output) == TINY.forward_flops


@pytest.mark.parametrize('shape', SHAPES.values(), ids=SHAPES.keys())
def test_what_is_measured_as_fast_has_a_fast_twin_in_every_layer(shape):
    for impl in ('fast', 'convlstm'):
        layers = build_stack(shape, impl).layers
        assert all(layer.twin == 'fast' and layer.has_fast_twin() for layer in layers)
    assert all(layer.twin == 'naive' for layer in build_stack(shape, 'naive').layers)


def test_both_twins_are_the_same_function_with_the_same_cuts():
    outputs, gradients = [], []
    for impl in ('naive', 'fast'):
        run = StackRun(TINY, impl, 'float32', CPU)
        run.prepare('train')
        y = run.output()
        run.backward(y)
        outputs.append(y)
        gradients.append(run.x.grad)
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients)


def test_the_plain_convlstm_is_the_function_of_ours():
    torch.manual_seed(0)
    ours, plain = ConvLSTM(3, 4), PlainConvLSTM(3, 4)
    with torch.no_grad():
        plain.conv.weight.copy_(torch.cat([ours.input_unit.weight, ours.state_unit.weight], dim=1))
        plain.conv.bias.copy_(ours.input_unit.bias)
    x = torch.randn(2, 5, 3, 6, 6)
    torch.testing.assert_close(plain(x), ours(x)[0])


# -- what is made of it


def test_ratios_are_taken_round_by_round_and_without_those_it_sat_out():
    naive, lstm, bound = ('naive', 'float32'), ('convlstm', 'float32'), ('bound', 'float32')
    timings = {(naive, 'train'): [4.0, 6.0, 5.0], (lstm, 'train'): [8.0, 4.0, None],
               (bound, 'train'): [1.0, 2.0, 3.0]}
    result = measure.Result(TINY, timings, {naive: {}, lstm: {'peak_bytes': 7}}, 'NCHW')
    row = next(row for row in report.rows_of(result) if row['impl'] == 'convlstm')
    assert (row['seconds_median'], row['seconds_min'], row['rounds']) == (6.0, 4.0, 2)
    assert (row['ratio_min'], row['ratio_to_naive'], row['ratio_max']) == (0.5, 1.0, 1.5)
    assert row['share_of_bound'] == pytest.approx(2 / 6)
    assert row['peak_bytes'] == 7 and row['peak_rss_bytes'] is None


def test_the_summary_is_the_geometric_mean_over_the_shapes():
    keys = [('naive', 'float32'), ('fast', 'float32'), ('bound', 'float32')]
    results = [measure.Result(shape, {(key, 'train'): [value] for key, value
                                      in zip(keys, (naive, 1.0, 0.5))}, {}, 'NCHW')
               for shape, naive in ((TINY, 2.0), (SHAPES['polygon'], 8.0))]
    made = report.make_report(results, {}, dict(dtype='float32'))
    figures = {figure['figure']: figure for figure in summary.summary(made)}
    speed = figures['forward + backward: fast float32 against naive float32']
    assert (speed['mean'], speed['smallest'], speed['largest']) == (pytest.approx(4.0), 2.0, 8.0)
    assert figures['forward + backward: fast, of bound']['mean'] == pytest.approx(0.5)
    assert figures['forward + backward: fast against convlstm']['mean'] is None
