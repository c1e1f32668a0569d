"""The authors' checkpoints become ours: every key, the same outputs, and nothing is run."""
import json
import os
import pickle
import re
import sys
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn import functional as F

import cbm_plugin.polygon  # noqa: F401  (registers its parts)
import cbm_plugin.recognition  # noqa: F401
from cbm_plugin.engine.checkpoints import compare, load_exactly
from cbm_plugin.layers import LSTM, VARIANTS, DeepRNN
from cbm_plugin.registry import MODELS

from ..layers.golden import GOLDEN, load, relative_error
from ..tiny_run import ROOT

sys.path.insert(0, str(ROOT / 'tools' / 'convert'))

from authors import KINDS, polygon, standalone  # noqa: E402
from authors.mapping import COUNTER, convert  # noqa: E402
from convert_authors_checkpoint import main  # noqa: E402

PUBLISHED = json.loads((GOLDEN / 'authors_state_dicts.json').read_text())
WIDTH = 4
BOTH = pytest.mark.parametrize('twin', ['fast', 'naive'])


# --- every published key


def on_meta(kind: str) -> Dict[str, Tensor]:
    """A published state dict without its numbers."""
    return {name: torch.empty(shape, device='meta') for name, shape in PUBLISHED[kind].items()}


def built(model: dict, device: str = 'cpu') -> nn.Module:
    init_default_scope('mmaction')
    with torch.device(device):
        return MODELS.build(model)


@pytest.mark.parametrize('kind, keys', [('backbone', 347), ('standalone', 263), ('polygon', 192)])
def test_every_published_key_is_mapped_and_no_name_of_ours_twice(kind: str, keys: int) -> None:
    theirs = on_meta(kind)
    table = KINDS[kind].table(theirs)
    assert {entry.theirs: list(entry.shape) for entry in table} == PUBLISHED[kind]
    ours, rows = convert(table, theirs)
    assert len(rows) == len(theirs) == keys
    names = [name for entry in table if not entry.added for name in entry.ours]
    assert sorted(names) == sorted(ours)


def config_of_docs(tmp_path: Path, number: int = 0) -> Config:
    text = (ROOT / 'docs/convert.md').read_text()
    block = re.findall(r'```python\n(.*?)```', text, re.DOTALL)[number]
    path = tmp_path / 'released.py'
    path.write_text(block.replace("'../_base_", f"'{ROOT}/configs/_base_"))
    return Config.fromfile(path)


def test_the_published_backbone_model_fits_the_config_key_by_key() -> None:
    model = Config.fromfile(ROOT / 'configs/_base_/models/cbm15_vgg19bn.py').model
    model.backbone.pretrained = None
    theirs = on_meta('backbone')
    ours, _ = convert(KINDS['backbone'].table(theirs), theirs)
    assert not any(compare(built(model, 'meta').state_dict(), ours))


def test_the_published_standalone_model_fits_the_config_of_the_docs(tmp_path: Path) -> None:
    theirs = on_meta('standalone')
    ours, _ = convert(KINDS['standalone'].table(theirs), theirs)
    model = built(config_of_docs(tmp_path).model, 'meta')
    assert not any(compare(model.state_dict(), ours))
    assert model.neck.rnn.sources[11] == 8


def test_the_published_polygon_model_fits_all_but_the_head_that_it_lacks(tmp_path: Path) -> None:
    theirs = on_meta('polygon')
    ours, _ = convert(KINDS['polygon'].table(theirs), theirs)
    model = built(config_of_docs(tmp_path, 1).model, 'meta')
    own = {name: value for name, value in model.state_dict().items()
           if not name.startswith('first_vertex.')}
    assert not any(compare(own, ours))
    assert sum(p.numel() for p in model.rnn.parameters()) == pytest.approx(4.48e6, rel=0.002)
    assert '256, 256' in KINDS['polygon'].notes(theirs)[0]


# --- the same outputs


def random_weights(shapes: Dict[str, tuple]) -> Dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, shape in shapes.items():
        if name.endswith(COUNTER):
            found[name] = torch.tensor(7)
        elif name.endswith('running_var'):
            found[name] = torch.rand(shape, generator=generator) + 0.5
        else:
            scale = (2 / int(np.prod(shape[1:]))) ** 0.5 if len(shape) > 1 else 0.3
            found[name] = torch.randn(shape, generator=generator) * scale
    return found


def as_published(weights: Dict[str, Tensor], path: Path, **options: Any) -> Path:
    """Wrapped as the authors save their action models."""
    model = OrderedDict((f'module.{name}', value) for name, value in weights.items())
    torch.save({'model': model, 'epoch': 3, 'max_acc': np.float64(0.798),
                'opt': {'state': {}, 'param_groups': [{'lr': 1e-4, 'params': [140234567890123]}]}},
               path, **options)
    return path


def golden_weights() -> Dict[str, Tensor]:
    return {name.split('/', 1)[1]: value for name, value in load('snn_l15_c8_eval').items()
            if name.startswith('param/')}


def recognizer(neck: dict, head: dict, twin: str) -> nn.Module:
    return built(dict(
        type='RecurrentRecognizer', backbone=dict(type='NoBackbone'),
        neck=dict(type='RecurrentNeck', layer=dict(twin=twin), **neck),
        cls_head=dict(type='HiddenLayerHead', num_classes=5, **head))).eval()


def small_backbone(twin: str = 'fast') -> nn.Module:
    return recognizer(dict(in_channels=8, hidden_channels=[8] * 15, variant='backbone'),
                      dict(in_channels=8), twin)


@BOTH
def test_the_converted_backbone_stack_gives_the_authors_outputs(twin: str, tmp_path: Path) -> None:
    source = as_published(golden_weights(), tmp_path / 'theirs.pth')
    main(['backbone', str(source), str(tmp_path / 'ours.pth'), '--without-backbone'])
    model = small_backbone(twin)
    load_exactly(model, tmp_path / 'ours.pth')
    g = load('snn_l15_c8_eval')
    with torch.no_grad():
        features, states = model.neck(g['x'])
        logits = model.cls_head(features)
    assert relative_error(logits, g['eval_p0/out_action']) < 1.1e-5
    assert relative_error(logits.mean(1), g['eval_p0/out']) < 1.1e-5
    for i, state in enumerate(states):
        assert relative_error(state, g[f'eval_p0/cell_c_last/{i:02}']) < 1.1e-5


def standalone_logits(w: Dict[str, Tensor], videos: Tensor, source_of_layer_10: int) -> Tensor:
    """The standalone network from the formulas of the paper, on weights by the authors' names."""
    def norm(x: Tensor, name: str) -> Tensor:
        return F.batch_norm(x, *(w[f'{name}.{key}'] for key in (
            'running_mean', 'running_var', 'weight', 'bias')))

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = w[f'{name}.0.weight']
        y = F.conv2d(x, weight, w[f'{name}.0.bias'], stride, weight.shape[-1] // 2)
        return norm(y, f'{name}.1')

    states: Dict[int, Tensor] = {}
    scores = []
    for x in videos.unbind(1):
        inputs: Dict[int, Tensor] = {}
        for layer in range(1, 18):
            inputs[layer] = x
            stride = 2 if layer in (1, 6, 10, 14) else 1
            name = f'RNN.{layer - 1}'
            past = states.get(layer)
            if past is None:
                past = x.new_zeros(len(x), len(w[f'{name}.conv_ctrl.0.bias']), *x.shape[2:])
            gate = conv(torch.cat([x, past], 1), f'{name}.conv_ctrl').sigmoid()
            states[layer] = gate
            if stride == 2:
                gate = F.max_pool2d(gate, 3, 2, 1)
            x = conv(x, f'{name}.conv_data', stride).relu() * gate
            if layer == 1:
                x = F.max_pool2d(x, 3, 2, 1)
            elif layer in (7, 11, 15):
                start = source_of_layer_10 if layer == 11 else layer - 1
                x = x + conv(inputs[start], f'ShortCut.{(layer - 7) // 4}', 2).relu()
            elif layer % 2 == 1:
                x = x + inputs[layer - 1]
        hidden = F.linear(x.flatten(1), w['classifier.0.weight'], w['classifier.0.bias']).relu()
        scores.append(F.linear(hidden, w['classifier.3.weight'], w['classifier.3.bias']))
    return torch.stack(scores, 1)


def small_standalone() -> Dict[str, Tensor]:
    table = standalone.entries(WIDTH, map_size=2, classes=5)
    return random_weights({entry.theirs: entry.shape for entry in table})


@BOTH
@pytest.mark.parametrize('variant, source', [('standalone_released', 8), ('standalone', 10)])
def test_the_converted_standalone_model_gives_the_outputs_of_its_formulas(
        variant: str, source: int, twin: str, tmp_path: Path) -> None:
    weights = small_standalone()
    main(['standalone', str(as_published(weights, tmp_path / 'theirs.pth')),
          str(tmp_path / 'ours.pth')])
    widths = [WIDTH * multiple for multiple in standalone.MULTIPLES]
    model = recognizer(dict(in_channels=3, hidden_channels=widths, variant=variant),
                       dict(in_channels=widths[-1], map_size=2), twin)
    load_exactly(model, tmp_path / 'ours.pth')
    videos = torch.randn(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = model.cls_head(model.neck(videos)[0])
        assert relative_error(ours, standalone_logits(weights, videos, source)) < 1e-4
        other = standalone_logits(weights, videos, 18 - source)
    assert relative_error(ours, other) > 1e-2


def test_the_mean_of_log_softmax_decides_as_our_mean_of_logits() -> None:
    logits = torch.randn(3, 4, 5)
    theirs = logits.log_softmax(-1).mean(1)
    torch.testing.assert_close(theirs.softmax(-1), logits.mean(1).softmax(-1))


@BOTH
def test_the_polygon_stack_gives_the_authors_outputs(twin: str) -> None:
    g = load('rbm_l3')
    theirs = {f'convlstm.{name[6:]}': value for name, value in g.items()
              if name.startswith('param/')}
    ours, _ = convert(polygon.recurrent([6, 5, 4], in_channels=3), theirs)
    variant = dict(VARIANTS['polygon'], layer=dict(VARIANTS['polygon']['layer'], twin=twin))
    stack = DeepRNN(3, [6, 5, 4], **variant).eval()
    stack.load_state_dict({name[4:]: value for name, value in ours.items()})
    assert relative_error(stack(g['x'])[0], g['p0/zero/layer_out/2']) < 1.1e-5


@BOTH
def test_the_polygon_lstm_gives_the_outputs_of_pytorchs(twin: str) -> None:
    torch.manual_seed(0)
    theirs = nn.LSTM(7, 4, batch_first=True)
    ours, _ = convert(polygon.lstm(7, 4), {f'lstmlayer.{name}': value.detach()
                                           for name, value in theirs.named_parameters()})
    layer = LSTM(7, 4, twin=twin)
    layer.load_state_dict({name[len('head.lstm.'):]: value for name, value in ours.items()})
    x = torch.randn(2, 5, 7)
    torch.testing.assert_close(layer(x)[0], theirs(x)[0])


# --- old files


class Python2Pickler(pickle._Pickler):
    """Writes str as Python 2 does (bytes of no stated encoding), and its reduction of dicts."""

    def save_str(self, text: str) -> None:
        raw = text.encode('latin1')
        assert len(raw) < 256
        self.write(pickle.SHORT_BINSTRING + bytes([len(raw)]) + raw)
        self.memoize(text)

    def save_bytes(self, raw: bytes) -> None:
        self.save_str(raw.decode('latin1'))

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, OrderedDict):
            return OrderedDict, ([list(item) for item in value.items()],), vars(value) or None
        return NotImplemented

    dispatch = {**pickle._Pickler.dispatch, str: save_str, bytes: save_bytes}


def python_2() -> SimpleNamespace:
    """The part of the pickle module that torch.save needs."""
    def dump(value: Any, file: Any, protocol: int) -> None:
        Python2Pickler(file, protocol).dump(value)
    return SimpleNamespace(__name__='pickle', Pickler=Python2Pickler, dump=dump)


@pytest.mark.parametrize('options', [
    {}, dict(_use_new_zipfile_serialization=False),
    dict(_use_new_zipfile_serialization=False, pickle_protocol=2, pickle_module=python_2())],
    ids=['zip', 'before zip', 'Python 2'])
def test_files_of_every_age_are_read(options: dict, tmp_path: Path) -> None:
    weights = golden_weights()
    source = as_published(weights, tmp_path / 'theirs.pth', **options)
    main(['backbone', str(source), str(tmp_path / 'ours.pth'), '--without-backbone'])
    ours = torch.load(tmp_path / 'ours.pth', weights_only=True)['state_dict']
    stem = 'neck.rnn.layers.0'
    assert torch.equal(ours[f'{stem}.bridge.unit.weight'], weights['RNN.0.conv_data.0.weight'])
    halves = [ours[f'{stem}.temporal.{part}_unit.weight'] for part in ('input', 'state')]
    assert torch.equal(torch.cat(halves, 1), weights['RNN.0.conv_ctrl.0.weight'])


def test_counters_that_old_files_lack_are_zero_and_reported(tmp_path: Path) -> None:
    weights = {name: value for name, value in golden_weights().items()
               if not name.endswith(COUNTER)}
    source = as_published(weights, tmp_path / 'theirs.pth')
    main(['backbone', str(source), str(tmp_path / 'ours.pth'), '--without-backbone',
          '--report', str(tmp_path / 'report.json')])
    load_exactly(small_backbone(), tmp_path / 'ours.pth')
    rows = json.loads((tmp_path / 'report.json').read_text())['keys']
    assert sum('0.4.1' in row['how'] for row in rows) == 33  # 15 layers with two, 3 shortcuts


# --- the report


def test_the_report_accounts_for_every_key_and_what_was_dropped(
        tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = as_published(small_standalone(), tmp_path / 'theirs.pth')
    main(['standalone', str(source), str(tmp_path / 'ours.pth'),
          '--report', str(tmp_path / 'report.json')])
    report = json.loads((tmp_path / 'report.json').read_text())
    assert [row['theirs'] for row in report['keys']] == list(PUBLISHED['standalone'])
    assert {row['theirs'] for row in report['dropped']} == {'epoch', 'opt', 'max_acc'}
    assert all(row['why'] for row in report['dropped'])
    by_name = {row['theirs']: row for row in report['keys']}
    assert by_name['RNN.1.conv_ctrl.0.weight'] == dict(
        theirs='RNN.1.conv_ctrl.0.weight', shape=[WIDTH, 2 * WIDTH, 3, 3],
        ours=['neck.rnn.layers.1.temporal.input_unit.weight',
              'neck.rnn.layers.1.temporal.state_unit.weight'],
        how=f'[input, state] split after {WIDTH} channels')
    checkpoint = torch.load(tmp_path / 'ours.pth', weights_only=True)
    assert set(checkpoint['state_dict']) == {name for row in report['keys'] for name in row['ours']}
    printed = capsys.readouterr().out
    assert "layer 8's input" in printed and 'cls_head.map_size=2' in printed


# --- refusals


def refusal(capsys: pytest.CaptureFixture, *argv: object) -> str:
    """The one line with which the tool ends."""
    with pytest.raises(SystemExit) as end:
        main([str(part) for part in argv])
    assert end.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize('damage, said', [
    (lambda w: w.pop('RNN.3.conv_data.0.bias'), 'missing: RNN.3.conv_data.0.bias'),
    (lambda w: w.update({'RNN.17.conv_data.0.bias': torch.zeros(4)}),
     'unexpected: RNN.17.conv_data.0.bias'),
    (lambda w: w.update({'ShortCut.1.0.weight': torch.zeros(16, 16, 1, 1)}),
     'of another shape: ShortCut.1.0.weight (16, 16, 1, 1) instead of (16, 8, 1, 1)'),
    (lambda w: w.pop('classifier.3.weight'), 'missing: classifier.3.weight'),
    (lambda w: w.update({'classifier.3.weight': 'none'}),
     "'module.classifier.3.weight' is a str, not a weight")],
    ids=['missing', 'unexpected', 'shape', 'size', 'no tensor'])
def test_keys_that_do_not_fit_are_named_and_nothing_is_written(
        damage: Callable[[dict], None], said: str, tmp_path: Path,
        capsys: pytest.CaptureFixture) -> None:
    weights = small_standalone()
    damage(weights)
    source = as_published(weights, tmp_path / 'theirs.pth')
    out, report = tmp_path / 'ours.pth', tmp_path / 'report.json'
    out.write_text('the old one')
    assert said in refusal(capsys, 'standalone', source, out, '--report', report)
    assert out.read_text() == 'the old one'
    assert sorted(os.listdir(tmp_path)) == ['ours.pth', 'theirs.pth']


@pytest.mark.parametrize('asked, weights, advice', [
    ('backbone', small_standalone, 'It looks like the standalone model: try standalone'),
    ('polygon', golden_weights, 'missing: convlstm.cell_list.0.data_cnn.weight'),
    ('backbone', golden_weights, 'add --without-backbone'),
    ('standalone', lambda: {'convlstm.cell_list.0.data_cnn.bias': torch.zeros(8)},
     'It looks like the polygon model: try polygon')])
def test_another_kind_of_model_is_recognised(asked: str, weights: Callable[[], dict], advice: str,
                                             tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = as_published(weights(), tmp_path / 'theirs.pth')
    assert advice in refusal(capsys, asked, source, tmp_path / 'ours.pth')
    assert not (tmp_path / 'ours.pth').exists()


class Shell:
    """Is pickled as a call of the shell, as crafted files do."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


@pytest.mark.parametrize('new', [True, False], ids=['zip', 'before zip'])
@pytest.mark.parametrize('place', ['model', 'opt'])
def test_a_file_that_would_run_something_is_refused_and_does_not_run_it(
        place: str, new: bool, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    marker = tmp_path / 'marker'
    crafted: Dict[str, Any] = {'model': dict(small_standalone()), 'opt': {}}
    crafted[place]['module.x'] = Shell(f'touch {marker}')
    torch.save(crafted, tmp_path / 'theirs.pth', _use_new_zipfile_serialization=new)
    said = refusal(capsys, 'standalone', tmp_path / 'theirs.pth', tmp_path / 'ours.pth')
    assert f'refused: it asks for {os.system.__module__}.system' in said
    assert not marker.exists() and not (tmp_path / 'ours.pth').exists()
    torch.load(tmp_path / 'theirs.pth', weights_only=False)  # it would have
    assert marker.exists()


@pytest.mark.parametrize('content, said', [
    (b'', 'cannot be read'), (b'no checkpoint at all', 'cannot be read')])
def test_what_is_no_checkpoint_is_refused(content: bytes, said: str, tmp_path: Path,
                                          capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'theirs.pth').write_bytes(content)
    assert said in refusal(capsys, 'standalone', tmp_path / 'theirs.pth', tmp_path / 'ours.pth')


@pytest.mark.parametrize('argv, said', [
    (['standalone', 'none.pth', 'ours.pth'], 'there is no file none.pth'),
    (['standalone', 'a.pth', './a.pth'], 'must be different files'),
    (['polygon', 'a.pth', 'b.pth', '--without-backbone'], 'goes with backbone, not with polygon')])
def test_a_wrong_command_is_told_in_one_line(argv: List[str], said: str,
                                             capsys: pytest.CaptureFixture) -> None:
    assert said in refusal(capsys, *argv)


def test_a_place_that_cannot_be_written_is_told_in_one_line(
        tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = as_published(small_standalone(), tmp_path / 'theirs.pth')
    (tmp_path / 'folder').mkdir()
    assert 'cannot write' in refusal(capsys, 'standalone', source, tmp_path / 'folder')
    assert sorted(os.listdir(tmp_path)) == ['folder', 'theirs.pth']
