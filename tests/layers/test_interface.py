"""Every recurrent layer, and a stack of them, behaves like one sequence model."""
from functools import partial
from typing import Callable, Dict

import pytest
import torch
from torch import Tensor, nn

from cbm_plugin.layers import CBM, GRU, LSTM, RNN, ConvGRU, ConvLSTM, ConvRNN, DeepRNN, map_state

MAPS: Dict[str, Callable[[], nn.Module]] = {
    'cbm': lambda: CBM(3, 4),
    'cbm without norm': lambda: CBM(3, 4, norm=None, activation='tanh'),
    'cbm with group norms': lambda: CBM(3, 4, norm='GN', gate_norm='GN'),
    'cbm, norm after both': lambda: CBM(3, 4, gate_norm='BN', statistics='step'),
    'cbm, concatenation': lambda: CBM(3, 4, merge='concat'),
    'cbm with a stride': lambda: CBM(3, 4, stride=2),
    'cbm with ConvLSTM as T': lambda: CBM(3, 4, temporal=ConvLSTM),
    'cbm with ConvGRU as T': lambda: CBM(3, 4, temporal=ConvGRU),
    'ConvRNN': lambda: ConvRNN(3, 4),
    'ConvLSTM': lambda: ConvLSTM(3, 4),
    'ConvGRU': lambda: ConvGRU(3, 4),
    'ConvLSTM with norm': lambda: ConvLSTM(3, 4, norm='BN'),
    'ConvGRU with norm': lambda: ConvGRU(3, 4, norm='BN'),
    'stack': lambda: DeepRNN(3, [4, 4, 5, 5], shortcuts=2, pool_after=2),
    'mixed stack': lambda: DeepRNN(3, [4, 4], dict(type='ConvGRU'), shortcuts=[(2, 2)]),
}
VECTORS: Dict[str, Callable[[], nn.Module]] = {
    'vector cbm': lambda: CBM(3, 4, kernel_size=None),
    'vector cbm, concatenation': lambda: CBM(3, 4, kernel_size=None, merge='concat'),
    'RNN': lambda: RNN(3, 4),
    'LSTM': lambda: LSTM(3, 4),
    'GRU': lambda: GRU(3, 4),
    'vector stack': lambda: DeepRNN(3, [4, 4], dict(type='CBM', kernel_size=None), shortcuts=2),
}
ALL = {**MAPS, **VECTORS}
NO_BATCH_STATISTICS = ['cbm without norm', 'cbm with group norms', 'ConvRNN', 'ConvLSTM', 'ConvGRU',
                       'RNN', 'LSTM', 'GRU']


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    layer = ALL[name]().double()
    for module in layer.modules():  # running statistics that are not the identity
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return layer


def sequence(name: str, batch: int = 3, steps: int = 5) -> Tensor:
    size = (batch, steps, 3) if name in VECTORS else (batch, steps, 3, 7, 5)
    return torch.randn(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def leaves(state: object) -> list:
    found: list = []
    map_state(lambda leaf: found.append(leaf) or leaf, state)
    return found


def assert_same(a: object, b: object) -> None:
    for x, y in zip(leaves(a), leaves(b)):
        torch.testing.assert_close(x, y)


def assert_stepping_equals_the_whole(layer: nn.Module, x: Tensor) -> None:
    whole, final = layer(x)
    state, steps = None, []
    for x_t in x.unbind(1):
        y_t, state = layer.step(x_t, state)
        steps.append(y_t)
    assert_same(torch.stack(steps, dim=1), whole)
    assert_same(state, final)


@pytest.mark.parametrize('name', ALL)
def test_stepping_frame_by_frame_equals_the_whole_sequence_in_evaluation(name: str) -> None:
    assert_stepping_equals_the_whole(build(name).eval(), sequence(name))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('name', ALL)
def test_streaming_without_gradients_equals_the_whole_sequence_with_them(
        name: str, dtype: torch.dtype) -> None:
    layer, x = build(name).eval().to(dtype), sequence(name).to(dtype)
    whole, final = layer(x)
    state, steps = None, []
    with torch.inference_mode():
        for x_t in x.unbind(1):
            y_t, state = layer.step(x_t, state)
            steps.append(y_t)
    assert_same(torch.stack(steps, dim=1), whole.detach())
    assert_same(state, map_state(torch.Tensor.detach, final))


@pytest.mark.parametrize('name', NO_BATCH_STATISTICS)
def test_stepping_equals_the_whole_sequence_in_training_without_batch_statistics(name: str) -> None:
    assert_stepping_equals_the_whole(build(name).train(), sequence(name))


@pytest.mark.parametrize('name', ALL)
def test_a_carried_state_continues_the_sequence(name: str) -> None:
    layer, x = build(name).eval(), sequence(name)
    whole, final = layer(x)
    first, state = layer(x[:, :2])
    second, state = layer(x[:, 2:], state)
    assert_same(torch.cat([first, second], dim=1), whole)
    assert_same(state, final)


@pytest.mark.parametrize('name', ALL)
def test_a_ragged_batch_equals_its_items_run_alone_in_evaluation(name: str) -> None:
    layer, x, lengths = build(name).eval(), sequence(name), [5, 2, 3]
    x[1, 2:], x[2, 3:] = float('nan'), 1e9  # whatever the padding holds
    y, state = layer(x, lengths=lengths)
    assert torch.equal(y[1, 2:], torch.zeros_like(y[1, 2:]))
    for i, length in enumerate(lengths):
        alone, end = layer(x[i:i + 1, :length])
        assert_same(y[i:i + 1, :length], alone)
        assert_same(map_state(partial(torch.narrow, dim=0, start=i, length=1), state), end)


@pytest.mark.parametrize('name', NO_BATCH_STATISTICS)
def test_a_ragged_batch_has_its_items_gradients_in_training(name: str) -> None:
    layer, x, lengths = build(name).train(), sequence(name), [5, 2, 3]
    if isinstance(layer, CBM):
        layer.temporal_dropout.p = 0.0  # drawn per call, not per item

    def gradient(run: Callable[[], Tensor]) -> list:
        layer.zero_grad()
        run().backward()
        return [parameter.grad.clone() for parameter in layer.parameters()]

    together = gradient(lambda: layer(x, lengths=lengths)[0].square().sum())
    alone = gradient(lambda: sum(layer(x[i:i + 1, :n])[0].square().sum()
                                 for i, n in enumerate(lengths)))
    for a, b in zip(together, alone):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('name', ALL)
def test_padding_gets_no_gradient(name: str) -> None:
    layer, x = build(name).train(), sequence(name).requires_grad_()
    y, state = layer(x, lengths=[5, 2, 3])
    (y.sum() + sum(leaf.sum() for leaf in leaves(state))).backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad[0].abs().sum() > 0
    assert torch.equal(x.grad[1, 2:], torch.zeros_like(x.grad[1, 2:]))


@pytest.mark.parametrize('name', ALL)
def test_the_state_after_any_frame_is_the_one_a_shorter_sequence_ends_with(name: str) -> None:
    layer, x = build(name).eval(), sequence(name)
    at = torch.tensor([[0, 2], [1, 5], [4, 3]])
    _, states = layer(x, state_at=at)
    for i in range(3):
        for q in range(2):
            picked = map_state(partial(torch.select, dim=1, index=q), states)
            picked = map_state(partial(torch.narrow, dim=0, start=i, length=1), picked)
            if at[i, q] == 0:
                assert all(not leaf.any() for leaf in leaves(picked))
            else:
                assert_same(picked, layer(x[i:i + 1, :at[i, q]])[1])


@pytest.mark.parametrize('name', ['cbm', 'ConvLSTM', 'stack'])
def test_a_state_of_the_wrong_shape_is_refused_with_both_shapes(name: str) -> None:
    layer, x = build(name), sequence(name)
    _, state = layer(x[:2])
    with pytest.raises(ValueError, match=r'expects a state of the shape .*3.*got .*2'):
        layer(x, state)


def test_a_stack_refuses_another_number_of_states() -> None:
    with pytest.raises(ValueError, match='a stack of 2 layers expects a tuple of 2 states'):
        DeepRNN(3, [4, 4])(torch.zeros(1, 2, 3, 4, 4), (None,))


@pytest.mark.parametrize('lengths, message', [
    ([6, 1, 1], r'lengths are \[6, 1, 1\], but must lie in 1\.\.5'),
    ([0, 1, 1], r'must lie in 1\.\.5'),
    ([1, 1], 'holds 3 sequences')])
def test_impossible_lengths_are_refused_with_the_bound(lengths: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build('cbm')(sequence('cbm'), lengths=lengths)


def test_a_state_asked_for_beyond_the_length_is_refused() -> None:
    with pytest.raises(ValueError, match='state_at'):
        build('cbm')(sequence('cbm'), lengths=[5, 2, 3], state_at=[5, 3, 3])


def test_frames_without_a_time_axis_are_refused() -> None:
    with pytest.raises(ValueError, match=r'expects \(N, T, C, H, W\)'):
        CBM(3, 4)(torch.zeros(2, 3, 8, 8))


def test_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match='in_channels=3, got 4'):
        CBM(3, 4)(torch.zeros(2, 5, 4, 8, 8))
