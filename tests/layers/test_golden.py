"""The layers are the authors' functions: outputs, states, gradients, running statistics."""
from typing import Dict, Iterator

import pytest
import torch
from torch import Tensor, nn

from cbm_plugin.layers import VARIANTS, DeepRNN, TemporalDropout

from .golden import copy_parameters, load, relative_error, split

RBM, CONVLSTM, SNN, SNN_GRADIENT = 1.1e-5, 4.5e-6, 1.1e-5, 7.6e-5


@pytest.fixture(params=['fast', 'naive'])
def twin(request: pytest.FixtureRequest) -> str:
    return request.param


def variant_with(name: str, p: float, twin: str) -> dict:
    variant = VARIANTS[name]
    return dict(variant, layer=dict(variant['layer'], temporal_dropout=p, twin=twin))


def gradients(loss: Tensor, inputs: Dict[str, Tensor]) -> Dict[str, Tensor]:
    values = torch.autograd.grad(loss, list(inputs.values()), retain_graph=True, allow_unused=True)
    return {name: torch.zeros_like(inputs[name]) if value is None else value
            for name, value in zip(inputs, values)}


# --- three layers of the polygon variant, gate convolution over [state, input]


def rbm_stack(g: Dict[str, Tensor], p: float, twin: str) -> DeepRNN:
    stack = DeepRNN(3, [6, 5, 4], **variant_with('polygon', p, twin))
    for i, layer in enumerate(stack.layers):
        theirs = f'param/cell_list.{i}'
        state, inputs = split(g[f'{theirs}.ctrl_cnn.weight'], layer.hidden_channels)
        copy_parameters({
            layer.bridge.unit.weight: g[f'{theirs}.data_cnn.weight'],
            layer.bridge.unit.bias: g[f'{theirs}.data_cnn.bias'],
            layer.temporal.state_unit.weight: state,
            layer.temporal.input_unit.weight: inputs,
            layer.temporal.input_unit.bias: g[f'{theirs}.ctrl_cnn.bias']})
    return stack


def rbm_gradients(stack: DeepRNN, inputs: Dict[str, Tensor], loss: Tensor) -> Dict[str, Tensor]:
    parameters = {f'param/{i}/{name}': parameter for i, layer in enumerate(stack.layers)
                  for name, parameter in layer.named_parameters()}
    ours = gradients(loss, {**inputs, **parameters})
    theirs = {name: ours[name] for name in inputs}
    for i in range(len(stack.layers)):
        of = {name.split('/', 2)[2]: value for name, value in ours.items()
              if name.startswith(f'param/{i}/')}
        prefix = f'param/cell_list.{i}'
        theirs[f'{prefix}.data_cnn.weight'] = of['bridge.unit.weight']
        theirs[f'{prefix}.data_cnn.bias'] = of['bridge.unit.bias']
        theirs[f'{prefix}.ctrl_cnn.weight'] = torch.cat(
            [of['temporal.state_unit.weight'], of['temporal.input_unit.weight']], dim=1)
        theirs[f'{prefix}.ctrl_cnn.bias'] = of['temporal.input_unit.bias']
    return theirs


@pytest.mark.parametrize('start', ['zero', 'carried'])
@pytest.mark.parametrize('p', [0, 1])
def test_three_polygon_layers_give_the_authors_outputs_states_and_gradients(p: int, start: str,
                                                                             twin: str) -> None:
    g = load('rbm_l3')
    stack, case = rbm_stack(g, p, twin), f'p{p}/{start}'
    x = g['x'].requires_grad_()
    h0 = [g[f'h0/{i}'].requires_grad_() for i in range(3)]
    inputs = {'x': x}
    if start == 'carried':
        inputs.update({f'h0/{i}': h for i, h in enumerate(h0)})
    y, states = stack(x, tuple(h0) if start == 'carried' else None)
    assert relative_error(y, g[f'{case}/layer_out/2']) < RBM
    for i, state in enumerate(states):
        assert relative_error(state, g[f'{case}/state/{i}']) < RBM

    loss_out = (y * g['w_out']).sum()
    loss_full = loss_out + sum((g[f'w_state/{i}'] * s).sum() for i, s in enumerate(states))
    for name, loss in (('out', loss_out), ('full', loss_full)):
        assert relative_error(loss, g[f'{case}/loss_{name}']) < RBM
        for key, ours in rbm_gradients(stack, inputs, loss).items():
            expected = g[f'{case}/grad_{name}/{key}']
            scale = max(float(expected.abs().max()), 1e-3)
            assert float((ours - expected).abs().max()) / scale < RBM, key


# --- three ConvLSTM layers


@pytest.mark.parametrize('start', ['zero', 'carried'])
def test_three_convlstm_layers_give_the_reference_outputs_states_and_gradients(
        start: str, twin: str) -> None:
    g = load('convlstm_l3')
    stack = DeepRNN(3, [6, 5, 4], dict(type='ConvLSTM', twin=twin))
    for i, layer in enumerate(stack.layers):
        inputs, state = split(g[f'param/cell_list.{i}.conv.weight'], layer.in_channels)
        copy_parameters({layer.input_unit.weight: inputs, layer.state_unit.weight: state,
                         layer.input_unit.bias: g[f'param/cell_list.{i}.conv.bias']})
    x = g['x'].requires_grad_()
    h0 = tuple((g[f'h0/{i}/h'].requires_grad_(), g[f'h0/{i}/c'].requires_grad_())
               for i in range(3))
    y, states = stack(x, h0 if start == 'carried' else None)
    assert relative_error(y, g[f'{start}/layer_out/2']) < CONVLSTM
    loss = (y * g['w_out']).sum()
    for i, state in enumerate(states):
        for name, leaf in zip('hc', state):
            assert relative_error(leaf, g[f'{start}/state/{i}/{name}']) < CONVLSTM
            loss = loss + (g[f'w_state/{i}/{name}'] * leaf).sum()
    for i, layer in enumerate(stack.layers):
        of = gradients(loss, dict(layer.named_parameters()))
        weight = torch.cat([of['input_unit.weight'], of['state_unit.weight']], dim=1)
        theirs = f'{start}/grad_full/param/cell_list.{i}.conv'
        assert relative_error(weight, g[f'{theirs}.weight']) < CONVLSTM
        assert relative_error(of['input_unit.bias'], g[f'{theirs}.bias']) < CONVLSTM
    ours = gradients(loss, {'x': x})
    assert relative_error(ours['x'], g[f'{start}/grad_full/x']) < CONVLSTM


# --- fifteen layers of the backbone-supported variant, gate convolution over [input, state]


class Snn(nn.Module):
    """The backbone-supported stack on an identity backbone, with the authors' classifier."""

    def __init__(self, g: Dict[str, Tensor], p: float, twin: str) -> None:
        super().__init__()
        self.stack = DeepRNN(8, [8] * 15, **variant_with('backbone', p, twin))
        self.hidden, self.classes = nn.Linear(8, 8), nn.Linear(8, 5)
        self.named = self._name_as_the_authors()
        copy_parameters({target: g[f'param/{name}'] for name, target in self.named.items()
                         if isinstance(target, Tensor)})
        for name, (inputs, state) in self.joined.items():
            halves = split(g[f'param/{name}'], inputs.shape[1])
            copy_parameters({inputs: halves[0], state: halves[1]})

    def _name_as_the_authors(self) -> Dict[str, Tensor]:
        named: Dict[str, Tensor] = {}
        self.joined = {}

        def conv_and_norm(prefix: str, conv: nn.Module, norm: nn.Module) -> None:
            named[f'{prefix}.0.bias'] = conv.bias
            for key in ('weight', 'bias', 'running_mean', 'running_var'):
                named[f'{prefix}.1.{key}'] = getattr(norm, key)

        for i, layer in enumerate(self.stack.layers):
            named[f'RNN.{i}.conv_data.0.weight'] = layer.bridge.unit.weight
            conv_and_norm(f'RNN.{i}.conv_data', layer.bridge.unit, layer.bridge.norm)
            self.joined[f'RNN.{i}.conv_ctrl.0.weight'] = (layer.temporal.input_unit.weight,
                                                          layer.temporal.state_unit.weight)
            conv_and_norm(f'RNN.{i}.conv_ctrl', layer.temporal.input_unit, layer.temporal.norm)
        for i, number in enumerate(('5', '10', '15')):
            shortcut = self.stack.shortcuts[number]
            named[f'ShortCut.{i}.0.weight'] = shortcut.unit.weight
            conv_and_norm(f'ShortCut.{i}', shortcut.unit, shortcut.norm)
        for i, linear in ((0, self.hidden), (3, self.classes)):
            named[f'classifier.{i}.weight'] = linear.weight
            named[f'classifier.{i}.bias'] = linear.bias
        return named

    def forward(self, x: Tensor) -> tuple:
        y, states = self.stack(x)
        logits = self.classes(torch.relu(self.hidden(y.flatten(2))))
        return logits.mean(1), logits, states


def check_snn(g: Dict[str, Tensor], model: Snn, case: str, inputs: Dict[str, Tensor],
              outputs: bool = True) -> None:
    out, logits, states = model(inputs['x'])
    loss = (out * inputs['w_out']).sum() + (logits * inputs['w_action']).sum()
    if outputs:
        assert relative_error(out, g[f'{case}/out']) < SNN
        assert relative_error(logits, g[f'{case}/out_action']) < SNN
        assert relative_error(loss, g[f'{case}/loss']) < SNN
        for i, state in enumerate(states):
            assert relative_error(state, g[f'{case}/cell_c_last/{i:02}']) < SNN
    trainable = {name: value for name, value in model.named.items() if value.requires_grad}
    joined = {name: part for name, pair in model.joined.items()
              for name, part in ((f'{name}/input', pair[0]), (f'{name}/state', pair[1]))}
    ours = gradients(loss, {**trainable, **joined})
    for name in model.joined:
        ours[name] = torch.cat([ours.pop(f'{name}/input'), ours.pop(f'{name}/state')], dim=1)
    for name, value in ours.items():
        expected = g[f'{case}/grad/param/{name}']
        error = float((value - expected).abs().max())
        # a bias before a batch norm has no gradient but rounding: absolute there
        assert error < 1e-6 or error / float(expected.abs().max()) < SNN_GRADIENT, name


@pytest.mark.parametrize('p', [0, 1])
def test_fifteen_layers_in_evaluation_give_the_authors_outputs_states_and_gradients(p: int,
                                                                                twin: str) -> None:
    g = load('snn_l15_c8_eval')
    model = Snn(g, p, twin).eval()
    for module in model.modules():  # the authors cut in evaluation too; ours only in training
        if isinstance(module, TemporalDropout):
            module.train()
    g['x'].requires_grad_()
    check_snn(g, model, f'eval_p{p}', g, outputs=p == 0)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """What remains of gradients that are zero depends on the order of sums, so on the threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def test_fifteen_layers_in_training_give_the_authors_gradients_and_running_statistics(
        twin: str, two_threads: None) -> None:
    inputs = load('snn_l15_c8_eval')
    g = load('snn_l15_c8_train')
    model = Snn(inputs, 0, twin).train()
    inputs['x'].requires_grad_()
    check_snn(g, model, 'train_p0', inputs)
    for key, expected in g.items():
        if '/after/' not in key or key.endswith('num_batches_tracked'):
            continue
        ours = model.named[key.split('/after/')[1]]
        assert relative_error(ours, expected) < SNN, key
    assert int(model.stack.layers[0].bridge.norm.num_batches_tracked) == 4
