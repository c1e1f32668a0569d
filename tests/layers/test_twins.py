"""Each recurrence exists twice: the fast twin computes what the naive loop does."""
import copy
from typing import Dict, List, Optional, Tuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cbm_plugin.layers import CBM, GRU, LSTM, RNN, VARIANTS, DeepRNN, RecurrentLayer, map_state

CBM_OPTIONS: Dict[str, dict] = {
    'default': {},
    'tanh, no norm (polygon)': VARIANTS['polygon']['layer'],
    'batch norms by step (backbone)': VARIANTS['backbone']['layer'],
    'group norms': dict(norm='GN', gate_norm='GN'),
    'statistics of the batch': dict(norm=dict(type='BN', track_running_stats=False)),
    'sum': dict(merge='sum'),
    'max': dict(merge='max', activation='sigmoid'),
    'concat': dict(merge='concat'),
    'stride': dict(stride=2),
    'ConvLSTM as T': dict(temporal=dict(type='ConvLSTM')),
    'ConvGRU as T': dict(temporal=dict(type='ConvGRU', norm='BN')),
    'no bridge': dict(bridge=False),
}
LAYERS: Dict[str, dict] = {
    **{f'CBM, {name}': dict(options, type='CBM') for name, options in CBM_OPTIONS.items()},
    'vector CBM': dict(type='CBM', kernel_size=None),
    'vector CBM, norms by step': dict(type='CBM', kernel_size=None, gate_norm='BN',
                                      statistics='step'),
    **{f'{kind}, {norm}': dict(type=kind, norm=norm)
       for kind in ('ConvRNN', 'ConvLSTM', 'ConvGRU', 'RNN', 'LSTM', 'GRU')
       for norm in (None, 'BN')},
}


@st.composite
def cases(draw: st.DrawFn) -> dict:
    """A layer, its mode, and a batch for it."""
    batch, steps = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    return dict(
        name=draw(st.sampled_from(sorted(LAYERS))), batch=batch, steps=steps,
        size=(draw(st.sampled_from([1, 2, 5, 8])), draw(st.sampled_from([1, 3, 6]))),
        channels=(draw(st.sampled_from([1, 3, 16])), draw(st.sampled_from([4, 8]))),
        lengths=draw(st.one_of(st.none(), st.lists(st.integers(1, steps), min_size=batch,
                                                   max_size=batch))),
        carried=draw(st.booleans()), training=draw(st.booleans()),
        p=draw(st.sampled_from([0.0, 0.5, 1.0])), seed=draw(st.integers(0, 2 ** 16)))


def is_vector(config: dict) -> bool:
    return config.get('kernel_size', 3) is None or config['type'] in ('RNN', 'LSTM', 'GRU')


def build(case: dict) -> DeepRNN:
    """Two layers, so that the second's input is the first's output."""
    torch.manual_seed(case['seed'])
    config = dict(LAYERS[case['name']])
    if config['type'] == 'CBM':
        config['temporal_dropout'] = case['p']
    first, width = case['channels']
    stack = DeepRNN(first, [width, width], config).double()
    for module in stack.modules():  # running statistics and weights that are not the identity
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.running_mean is not None:
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return stack.train(case['training'])


def with_twin(stack: nn.Module, twin: str, dtype: torch.dtype) -> nn.Module:
    stack = copy.deepcopy(stack).to(dtype)
    for module in stack.modules():
        if isinstance(module, RecurrentLayer):
            module.twin = twin
    return stack


def leaves(state: object) -> List[Tensor]:
    found: List[Tensor] = []
    map_state(lambda leaf: found.append(leaf) or leaf, state)
    return found


def results(stack: DeepRNN, case: dict, dtype: torch.dtype) -> Dict[str, Tensor]:
    """Outputs, states, all gradients and running statistics of one pass there and back."""
    generator = torch.Generator().manual_seed(case['seed'])

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    size = () if is_vector(LAYERS[case['name']]) else case['size']
    x = noise(case['batch'], case['steps'], case['channels'][0], *size).requires_grad_()
    state: Optional[tuple] = None
    inputs = [x]
    if case['carried']:
        with torch.no_grad():
            stack_state = copy.deepcopy(stack)(x[:, :1])[1]
        state = map_state(lambda leaf: noise(*leaf.shape).sigmoid().requires_grad_(), stack_state)
        inputs += leaves(state)
    torch.manual_seed(case['seed'])  # temporal dropout
    y, new_state = stack(x, state, case['lengths'])
    loss = sum((out * noise(*out.shape)).sum() for out in [y, *leaves(new_state)])
    parameters = dict(stack.named_parameters())
    gradients = torch.autograd.grad(loss, [*inputs, *parameters.values()], allow_unused=True)
    named = dict(zip([f'input {i}' for i in range(len(inputs))] + list(parameters), gradients))
    return {'output': y.detach(), **{f'state {i}': leaf.detach()
                                     for i, leaf in enumerate(leaves(new_state))},
            **{f'gradient of {name}': torch.zeros(()) if value is None else value
               for name, value in named.items()},
            **{name: buffer.clone() for name, buffer in stack.named_buffers()}}


def distance(ours: Tensor, truth: Tensor, scale: float) -> float:
    return float((ours.double() - truth).abs().max()) / scale if truth.numel() else 0.0


@settings(max_examples=150, deadline=None, derandomize=True)
@given(case=cases())
def test_in_float64_the_twins_agree_to_rounding(case: dict) -> None:
    stack = build(case)
    naive, fast = (results(with_twin(stack, twin, torch.float64), case, torch.float64)
                   for twin in ('naive', 'fast'))
    for name, truth in naive.items():
        scale = max(1.0, float(truth.abs().max()))
        assert distance(fast[name], truth, scale) < 1e-9, (name, case)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(case=cases())
def test_in_float32_the_fast_twin_is_within_ten_times_the_naive_ones_error(case: dict) -> None:
    stack = build(case)
    truth = results(with_twin(stack, 'naive', torch.float64), case, torch.float64)
    naive, fast = (results(with_twin(stack, twin, torch.float32), case, torch.float32)
                   for twin in ('naive', 'fast'))
    # one scale and one error for all gradients: a gradient that is zero by construction (of a bias
    # before batch norm) is rounding and nothing else
    for kind in ('output', 'state', 'gradient'):
        names = [name for name in truth if name.startswith(kind)]
        scale = max(float(truth[name].abs().max()) for name in names) or 1.0
        error = max(distance(naive[name], truth[name], scale) for name in names)
        ours = max(distance(fast[name], truth[name], scale) for name in names)
        assert ours <= 10 * max(error, 2 ** -23), (kind, case)


@pytest.mark.parametrize('name', LAYERS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    case = dict(name=name, batch=2, steps=3, size=(3, 2), channels=(2, 4), seed=5, p=0.0,
                training='by step' not in name and 'BN' not in name)
    stack = build(case)
    size = () if is_vector(LAYERS[name]) else (3, 2)
    x = torch.randn(2, 3, 2, *size, dtype=torch.float64, requires_grad=True)
    state = map_state(lambda leaf: torch.rand_like(leaf).requires_grad_(), stack(x)[1])

    def run(x: Tensor, *flat: Tensor) -> Tuple[Tensor, ...]:
        rest = iter(flat)
        y, new_state = stack(x, map_state(lambda leaf: next(rest), state), [3, 2])
        return (y, *leaves(new_state))

    assert torch.autograd.gradcheck(run, (x, *leaves(state)))


def test_second_derivatives_are_refused_with_the_remedy() -> None:
    x = torch.randn(1, 2, 3, 4, 4, requires_grad=True)
    y = CBM(3, 4)(x)[0].sum()
    with pytest.raises(RuntimeError, match="build them with twin='naive'"):
        torch.autograd.grad(y, x, create_graph=True)


def test_the_naive_twin_has_second_derivatives() -> None:
    x = torch.randn(1, 3, 3, 4, 4, requires_grad=True)
    layer = CBM(3, 4, activation='tanh', twin='naive')
    first, = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    assert torch.autograd.grad(first.square().sum(), x)[0].abs().sum() > 0


def test_an_unknown_twin_is_refused() -> None:
    with pytest.raises(ValueError, match="twin is 'quick': use 'fast' or 'naive'"):
        CBM(3, 4, twin='quick')


@pytest.mark.parametrize('kind', [RNN, LSTM, GRU])
def test_a_unit_of_ones_own_needs_no_fast_twin(kind: type) -> None:
    class Own(kind):  # type: ignore[misc, valid-type]
        def has_fast_twin(self) -> bool:
            return False

    torch.manual_seed(0)
    own = Own(3, 4)
    stock = kind(3, 4)
    stock.load_state_dict(own.state_dict())
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(own(x)[0], stock(x)[0])


@pytest.mark.parametrize('name', LAYERS)
def test_a_step_without_gradients_is_the_naive_twins(name: str) -> None:
    case = dict(name=name, batch=2, channels=(3, 4), seed=7, p=0.5, training=False)
    naive, fast = (with_twin(build(case), twin, torch.float32) for twin in ('naive', 'fast'))
    size = () if is_vector(LAYERS[name]) else (5, 4)
    state, expected_state = None, None
    with torch.inference_mode():
        for x_t in torch.randn(3, 2, 3, *size).unbind(0):
            y_t, state = fast.step(x_t, state)
            expected, expected_state = naive.step(x_t, expected_state)
            for ours, theirs in zip([y_t, *leaves(state)], [expected, *leaves(expected_state)]):
                torch.testing.assert_close(ours, theirs)


# --- what the fast twin keeps for backward


def bytes_saved(stack: nn.Module, x: Tensor) -> int:
    """Of the distinct tensors that a forward pass keeps for backward, without the weights."""
    weights = {p.untyped_storage().data_ptr() for p in stack.parameters()}
    storages: Dict[int, int] = {}
    kept_alive = []  # an address must not be used twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept_alive.append(storage)
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        stack(x)
    return sum(storages.values())


def test_a_deep_stack_keeps_two_maps_a_layer() -> None:
    x = torch.randn(2, 6, 16, 12, 12)
    stack = DeepRNN(16, [16] * 8).train()
    assert bytes_saved(stack, x) < (2 * 8 + 1.5) * x.numel() * x.element_size()


def test_where_the_naive_loop_keeps_six() -> None:
    x = torch.randn(2, 6, 16, 12, 12)
    stack = DeepRNN(16, [16] * 8, dict(type='CBM', twin='naive')).train()
    assert bytes_saved(stack, x) > 5 * 8 * x.numel() * x.element_size()


def test_frames_changed_in_place_after_a_layer_are_kept_as_they_are() -> None:
    torch.manual_seed(0)
    first, second = CBM(3, 4).eval(), CBM(4, 4).eval()
    x = torch.randn(2, 3, 3, 5, 5)

    def gradient(in_place: bool) -> Tensor:
        second.zero_grad()
        y = first(x)[0]
        y = y.mul_(2) if in_place else y * 2
        second(y)[0].square().sum().backward()
        return second.bridge.unit.weight.grad.clone()

    torch.testing.assert_close(gradient(True), gradient(False))


def test_weights_prepared_for_inference_follow_every_change_of_the_weights() -> None:
    torch.manual_seed(0)
    layer, x = CBM(3, 4).eval(), torch.randn(1, 2, 3, 5, 5)

    def check() -> None:
        with torch.no_grad():
            torch.testing.assert_close(layer(x)[0], with_twin(layer, 'naive', x.dtype)(x)[0])

    check()
    with torch.no_grad():
        layer.temporal.state_unit.weight.mul_(2)  # an optimizer's step
    check()
    layer.bridge.norm.running_mean.add_(1)
    check()
    layer.load_state_dict(CBM(3, 4).state_dict())
    check()
    layer.eval()
    layer.bridge.unit.weight.data.mul_(3)  # a moving average's swap, before eval()
    layer.eval()
    check()
    layer.double()
    x = x.double()
    check()


# --- beside the rest of PyTorch


def gradients_of(stack: nn.Module, y: Tensor) -> List[Tensor]:
    stack.zero_grad()
    y.square().sum().backward()
    return [p.grad.clone() for p in stack.parameters()]


def test_activation_checkpointing_gives_the_same_gradients() -> None:
    torch.manual_seed(0)
    stack = DeepRNN(3, [4] * 3, dict(type='CBM', temporal_dropout=0.5))
    x = torch.randn(2, 4, 3, 6, 6, requires_grad=True)
    torch.manual_seed(1)
    plain = gradients_of(stack, stack(x)[0])
    for reentrant in (False, True):
        torch.manual_seed(1)
        y = checkpoint(lambda frames: stack(frames)[0], x, use_reentrant=reentrant)
        for ours, expected in zip(gradients_of(stack, y), plain):
            torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize('twin', ['fast', 'naive'])
def test_a_compiled_stack_gives_the_same_results(twin: str) -> None:
    torch.manual_seed(0)
    stack = DeepRNN(3, [4, 4], dict(type='CBM', temporal_dropout=0.0, twin=twin), shortcuts=2)
    x = torch.randn(2, 3, 3, 6, 6)
    compiled = torch.compile(stack, backend='aot_eager')
    expected = gradients_of(stack, stack(x)[0])
    for ours, theirs in zip(gradients_of(stack, compiled(x)[0]), expected):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize('kind', ['CBM', 'ConvLSTM', 'ConvGRU'])
def test_under_autocast_maps_are_bfloat16_and_gradients_float32_near_those_without(
        kind: str) -> None:
    torch.manual_seed(0)
    options = dict(temporal_dropout=0.0) if kind == 'CBM' else {}
    stack = DeepRNN(8, [16, 16], dict(type=kind, **options))
    x = torch.randn(4, 5, 8, 8, 8)
    expected = gradients_of(stack, stack(x)[0])
    with torch.autocast('cpu', torch.bfloat16):
        y, state = stack(x, lengths=[5, 4, 5, 3])
        y, state = stack(x)
    assert y.dtype == torch.bfloat16
    if kind == 'ConvLSTM':
        assert [leaf.dtype for leaf in state[0]] == [torch.bfloat16, torch.float32]
    ours = gradients_of(stack, y.float())
    assert {gradient.dtype for gradient in ours} == {torch.float32}
    together, truth = (torch.cat([g.flatten() for g in gs]) for gs in (ours, expected))
    assert (together - truth).norm() < 0.05 * truth.norm()
