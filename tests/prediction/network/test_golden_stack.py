"""The prediction variant of the stack is the authors' function: outputs, states, gradients."""
from typing import Dict

import pytest
import torch
from torch import Tensor, nn

from cbm_plugin.layers import VARIANTS, DeepRNN

from ...layers.golden import copy_parameters, load, relative_error

DEPTH, CHANNELS = 15, 6
TOLERANCE, GRADIENT_TOLERANCE = 1.1e-5, 7.6e-5


def maps(array: Tensor) -> Tensor:
    """``(..., H, W, C)`` -> ``(..., C, H, W)``."""
    return array.movedim(-1, -3).contiguous()


def kernels(matrix: Tensor) -> Tensor:
    """Kernels ``(H, W, in, out)`` -> ``(out, in, H, W)``."""
    return matrix.permute(3, 2, 0, 1)


def theirs_as_ours(g: Dict[str, Tensor], prefix: str, stack: DeepRNN) -> Dict[nn.Parameter, Tensor]:
    """Their values (parameters or gradients) of our parameters; T sees [input, state]."""
    values = {}
    for i, layer in enumerate(stack.layers):
        gate = kernels(g[f'{prefix}/convT_{i}/Matrix'])
        values.update({
            layer.bridge.unit.weight: kernels(g[f'{prefix}/convR_{i}/Matrix']),
            layer.bridge.unit.bias: g[f'{prefix}/convR_{i}/Bias'],
            layer.temporal.input_unit.weight: gate[:, :CHANNELS],
            layer.temporal.state_unit.weight: gate[:, CHANNELS:],
            layer.temporal.input_unit.bias: g[f'{prefix}/convT_{i}/Bias']})
    return values


@pytest.fixture(scope='module')
def golden() -> Dict[str, Tensor]:
    return load('vfp_rbm_l15')


@pytest.mark.parametrize('twin', ['fast', 'naive'])
@pytest.mark.parametrize('start', ['zero', 'carried'])
@pytest.mark.parametrize('p', [0, 1])
def test_fifteen_prediction_layers_give_the_authors_outputs_states_and_gradients(
        p: int, start: str, twin: str, golden: Dict[str, Tensor]) -> None:
    variant = VARIANTS['prediction']
    layer = dict(variant['layer'], temporal_dropout=p, twin=twin)
    stack = DeepRNN(CHANNELS, [CHANNELS] * DEPTH, **dict(variant, layer=layer))
    copy_parameters(theirs_as_ours(golden, 'param/rbm/RBMCell', stack))
    x = maps(golden['x']).requires_grad_()
    h0 = maps(golden['h0']).requires_grad_()

    y, states = stack(x, tuple(h0) if start == 'carried' else None)

    assert relative_error(y, maps(golden[f'{start}/out'])) < TOLERANCE
    assert relative_error(torch.stack(states), maps(golden[f'{start}/state'])) < TOLERANCE
    loss = (y * maps(golden['w_out'])).sum() \
        + (torch.stack(states) * maps(golden['w_state'])).sum()
    if p == 0:
        assert relative_error(loss, golden[f'f64/{start}/p0/loss']) < TOLERANCE
    loss.backward()
    prefix = f'{start}/p{p}/grad'
    for parameter, gradient in theirs_as_ours(golden, f'{prefix}/param/rbm/RBMCell', stack).items():
        assert relative_error(parameter.grad, gradient) < GRADIENT_TOLERANCE
    assert relative_error(x.grad, maps(golden[f'{prefix}/x'])) < GRADIENT_TOLERANCE
    if start == 'carried':
        assert relative_error(h0.grad, maps(golden[f'{prefix}/h0'])) < GRADIENT_TOLERANCE
