"""Shortcuts between layers, and those that start at an earlier layer."""
from typing import Dict

import pytest
import torch
from torch import Tensor

from cbm_plugin.layers import STANDALONE_CHANNELS, VARIANTS, DeepRNN

BOTH = pytest.mark.parametrize('twin', ['fast', 'naive'])


def stack_of(twin: str, shortcuts: list) -> DeepRNN:
    torch.manual_seed(0)
    layer = dict(type='CBM', temporal_dropout=0.0, twin=twin)
    return DeepRNN(4, [4, 4, 6, 6, 6], layer, downsample_at=[3], shortcuts=shortcuts).eval()


def by_hand(stack: DeepRNN, x: Tensor, sources: Dict[int, int]) -> Tensor:
    """Layer after layer; ``sources``: last layer -> the layer whose input is added after it."""
    inputs: Dict[int, Tensor] = {}
    for number, layer in enumerate(stack.layers, start=1):
        inputs[number] = x
        x, _ = layer(x)
        if number in sources:
            added = inputs[sources[number]]
            if str(number) in stack.shortcuts:
                bridge = stack.shortcuts[str(number)]
                added = torch.relu(bridge.norm(bridge.unit(added.flatten(0, 1))))
                added = added.unflatten(0, x.shape[:2])
            x = x + added
    return x


@BOTH
@pytest.mark.parametrize('shortcuts, sources', [
    ([(1, 2), (3, 4)], {2: 1, 4: 3}),
    ([(1, 2), (3, 4, 1)], {2: 1, 4: 1}),
    ([(2, 2), (3, 4, 1), (5, 5)], {2: 2, 4: 1, 5: 5}),
    ([(4, 5, 4)], {5: 4})], ids=str)
def test_a_shortcut_adds_the_input_of_the_layer_it_names(
        shortcuts: list, sources: Dict[int, int], twin: str) -> None:
    stack = stack_of(twin, shortcuts)
    x = torch.randn(2, 3, 4, 8, 8)
    torch.testing.assert_close(stack(x)[0], by_hand(stack, x, sources))


@BOTH
def test_gradients_flow_through_a_shortcut_from_an_earlier_layer(twin: str) -> None:
    stack = stack_of(twin, [(1, 2), (3, 4, 1)])
    x = torch.randn(2, 3, 4, 8, 8, requires_grad=True)
    ours, = torch.autograd.grad(stack(x)[0].square().sum(), x)
    expected, = torch.autograd.grad(by_hand(stack, x, {2: 1, 4: 1}).square().sum(), x)
    torch.testing.assert_close(ours, expected)


@BOTH
def test_steps_take_the_same_shortcuts_as_the_sequence(twin: str) -> None:
    stack, x = stack_of(twin, [(1, 2), (3, 4, 1)]), torch.randn(2, 3, 4, 8, 8)
    with torch.no_grad():
        expected, state = stack(x)[0], None
        for t in range(3):
            y_t, state = stack.step(x[:, t], state)
            torch.testing.assert_close(y_t, expected[:, t])


def test_the_released_standalone_network_differs_in_one_shortcut_and_in_no_weight() -> None:
    released, published = (DeepRNN(3, [c // 16 for c in STANDALONE_CHANNELS], **VARIANTS[name])
                           for name in ('standalone_released', 'standalone'))
    assert released.spans == published.spans
    differing = {last for last in released.sources
                 if released.sources[last] != published.sources[last]}
    assert differing == {11} and released.sources[11] == 8
    released.load_state_dict(published.state_dict())
    x = torch.randn(1, 2, 3, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(released.eval()(x)[0], published.eval()(x)[0])


@pytest.mark.parametrize('span, message', [
    ((3, 4, 5), r'the shortcut \(3, 4\) starts from the input of layer 5, .* up to 3'),
    ((3, 4, 0), r'shortcuts names layer 0, but the stack has layers 1\.\.5')])
def test_a_shortcut_from_a_layer_that_has_not_run_is_refused(span: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stack_of('fast', [span])
