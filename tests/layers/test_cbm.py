"""What a Context Bridge Module is: its formula, its options, its special cases."""
import copy

import pytest
import torch
from torch import nn

from cbm_plugin.layers import (
    CBM,
    LSTM,
    STANDALONE_CHANNELS,
    VARIANTS,
    ConvLSTM,
    DeepRNN,
)


def frames(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('merge, formula', [
    ('product', torch.mul), ('sum', torch.add), ('max', torch.maximum)])
def test_it_computes_the_formula_of_the_paper(merge: str, formula: object) -> None:
    layer = CBM(3, 4, norm=None, activation='tanh', merge=merge)
    x = frames(2, 3, 3, 5, 5)
    s = torch.zeros(2, 4, 5, 5)
    weight = torch.cat([layer.temporal.input_unit.weight, layer.temporal.state_unit.weight], 1)
    for t, y_t in enumerate(layer(x)[0].unbind(1)):
        r = torch.tanh(layer.bridge.unit(x[:, t]))
        s = torch.sigmoid(nn.functional.conv2d(torch.cat([x[:, t], s], 1), weight,
                                               layer.temporal.input_unit.bias, padding=1))
        torch.testing.assert_close(y_t, formula(r, s))


def test_concatenation_is_mixed_by_a_1x1_convolution_to_the_same_channels() -> None:
    layer = CBM(3, 4, merge='concat')
    assert layer.merge.mix.weight.shape == (4, 8, 1, 1)
    assert layer(frames(2, 3, 3, 5, 5))[0].shape == (2, 3, 4, 5, 5)


def test_without_the_bridge_a_stack_is_a_stacked_lstm() -> None:
    torch.manual_seed(0)
    ours = DeepRNN(3, [4, 4], dict(type='CBM', kernel_size=None, bridge=False, temporal=dict(
        type='LSTM'), temporal_dropout=0.0))
    theirs = nn.LSTM(3, 4, num_layers=2, batch_first=True)
    i_f_g_o = [0, 1, 3, 2]  # PyTorch's order of gates, in ours
    for number, layer in enumerate(ours.layers):
        for name, value in (('weight_ih', layer.temporal.input_unit.weight),
                            ('weight_hh', layer.temporal.state_unit.weight),
                            ('bias_ih', layer.temporal.input_unit.bias)):
            gates = torch.stack(value.chunk(4))[i_f_g_o].flatten(0, 1)
            getattr(theirs, f'{name}_l{number}').data.copy_(gates)
        getattr(theirs, f'bias_hh_l{number}').data.zero_()
    x = frames(2, 6, 3)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])


def test_without_the_bridge_the_output_is_the_state() -> None:
    y, state = CBM(3, 4, bridge=False)(frames(2, 3, 3, 5, 5))
    assert torch.equal(y[:, -1], state)


def test_any_module_can_be_the_bridge() -> None:
    def two_convolutions(in_channels: int, out_channels: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(in_channels, 8, 3, padding=1), nn.ReLU(),
                             nn.Conv2d(8, out_channels, 3, padding=1))

    layer = CBM(3, 4, bridge=two_convolutions)
    assert len(layer.bridge.unit) == 3
    assert layer(frames(2, 3, 3, 5, 5))[0].shape == (2, 3, 4, 5, 5)


def test_a_convlstm_as_temporal_flow_keeps_its_own_state() -> None:
    y, state = CBM(3, 4, temporal=ConvLSTM)(frames(2, 3, 3, 5, 5))
    assert [leaf.shape for leaf in state] == [(2, 4, 5, 5)] * 2


# --- temporal dropout


def gradient_of(p: float, twin: str, training: bool = True) -> torch.Tensor:
    """What reaches each of 12 frames through T alone, ``(12, N * C)``."""
    torch.manual_seed(3)
    layer = CBM(3, 4, kernel_size=None, norm=None, temporal_dropout=p, twin=twin).train(training)
    nn.init.zeros_(layer.bridge.unit.weight)  # what reaches x came through T
    nn.init.ones_(layer.bridge.unit.bias)
    x = frames(2, 12, 3).requires_grad_()
    layer(x)[0].sum().backward()
    return x.grad.transpose(0, 1).flatten(1)


BOTH = pytest.mark.parametrize('twin', ['fast', 'naive'])


def test_temporal_dropout_never_changes_values() -> None:
    layer, x = CBM(3, 4, norm=None), frames(2, 12, 3, 5, 5)
    assert torch.equal(layer.train()(x)[0], layer.eval()(x)[0])


@BOTH
def test_temporal_dropout_cuts_whole_time_steps_of_the_whole_batch(twin: str) -> None:
    by_step = gradient_of(0.5, twin)
    cut, kept = (by_step == 0).all(1), (by_step != 0).all(1)
    assert (cut | kept).all() and cut.any() and kept.any()
    uncut = gradient_of(0.0, twin)
    torch.testing.assert_close(by_step[kept], uncut[kept])


@BOTH
def test_rate_0_never_cuts_and_rate_1_always(twin: str) -> None:
    assert gradient_of(0.0, twin).all() and not gradient_of(1.0, twin).any()


@BOTH
def test_temporal_dropout_rests_in_evaluation(twin: str) -> None:
    assert gradient_of(0.5, twin, training=False).all()


def test_a_cut_gate_still_learns_through_its_state() -> None:
    layer = CBM(3, 4, temporal_dropout=1.0)
    layer(frames(2, 4, 3, 5, 5))[0].sum().backward()
    assert layer.temporal.state_unit.weight.grad.abs().sum() > 0


# --- the paper's four networks


def test_the_standalone_network_has_the_published_resolutions() -> None:
    stack = DeepRNN(3, STANDALONE_CHANNELS, **VARIANTS['standalone']).eval()
    with torch.no_grad():
        y, states = stack(frames(1, 2, 3, 64, 64))
    assert stack.depth == 17
    assert y.shape == (1, 2, 512, 2, 2)  # 224 pixels give 7x7
    assert states[0].shape == (1, 64, 64, 64)  # the stem's gate: the full input
    assert states[5].shape == (1, 128, 16, 16)  # at the resolution before the stride


def test_the_polygon_widths_have_the_published_numbers_of_parameters() -> None:
    from cbm_plugin.layers import POLYGON_CHANNELS
    published = {2: 0.20e6, 5: 1.13e6, 10: 2.68e6, 15: 5.85e6}
    for depth, channels in POLYGON_CHANNELS.items():
        stack = DeepRNN(131, channels, **VARIANTS['polygon'])
        parameters = sum(parameter.numel() for parameter in stack.parameters())
        assert parameters == pytest.approx(published[depth], rel=0.03), depth


def test_the_prediction_network_adds_identities_without_parameters() -> None:
    stack = DeepRNN(6, [6] * 15, **VARIANTS['prediction'])
    assert stack.spans == {1: 5, 6: 10, 11: 15} and len(stack.shortcuts) == 0


# --- errors


@pytest.mark.parametrize('options, message', [
    (dict(merge='mean'), r"merge 'mean' is unknown: use one of \['concat', 'max'"),
    (dict(norm='XN'), "norm 'XN' is unknown"),
    (dict(activation='gelu'), "activation 'gelu' is unknown"),
    (dict(temporal_dropout=1.5), r'temporal_dropout is 1.5, but a probability lies in 0\.\.1'),
    (dict(kernel_size=4), 'kernel_size is 4, but must be odd'),
    (dict(statistics='batch'), "statistics is 'batch'"),
    (dict(init='orthogonal'), "initialisation 'orthogonal' is unknown"),
    (dict(bridge=False, merge='sum'), 'without a bridge there is nothing to merge')])
def test_an_unknown_option_is_named_with_what_is_allowed(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CBM(3, 4, **options)


@pytest.mark.parametrize('options, message', [
    (dict(layer=dict(type='CMB')), "layer type 'CMB' is unknown: use one of"),
    (dict(layer=dict(type='CBM', nrom='BN')), r"CBM has no option 'nrom': use one of \['activat"),
    (dict(layer=dict(type='ConvLSTM', init='xavier')),
     r"ConvLSTM has no option 'init': use one of \['kernel_size', 'norm', 'twin'\]"),
    (dict(shortcuts=[(1, 3), (3, 4)]), r'the shortcut \(3, 4\) overlaps'),
    (dict(shortcuts=[(3, 5)]), r'names layer 5, but the stack has layers 1\.\.4'),
    (dict(pool_after=[7]), 'pool_after names layer 7'),
    (dict(shortcut='dense'), "shortcut is 'dense'")])
def test_a_stack_that_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepRNN(3, [4] * 4, **options)


def test_a_stack_survives_a_copy() -> None:
    stack = DeepRNN(3, [4, 4]).eval()
    x = frames(1, 2, 3, 5, 5)
    assert torch.equal(copy.deepcopy(stack)(x)[0], stack(x)[0])


def test_a_vector_layer_knows_its_name() -> None:
    assert type(DeepRNN(3, [4], dict(type='LSTM')).layers[0]) is LSTM
