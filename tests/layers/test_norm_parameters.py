"""Batch norm without its bias (an option since torch 2.13), or without any parameters."""
from typing import Callable

import pytest
import torch

from cbm_plugin.layers import CBM, RNN, RecurrentLayer

BUILD = {'after R': lambda twin: CBM(3, 4, None, norm='BN', temporal_dropout=0.0, twin=twin),
         'in T': lambda twin: RNN(3, 4, norm='BN', twin=twin)}


def layer_without_bias(build: Callable[[str], RecurrentLayer], twin: str) -> RecurrentLayer:
    torch.manual_seed(0)
    layer = build(twin)
    for module in layer.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.register_parameter('bias', None)
    return layer


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('place', BUILD)
def test_batch_norm_without_a_bias_gives_what_the_naive_twin_gives(place: str,
                                                                  training: bool) -> None:
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1))
    results = []
    for twin in ('fast', 'naive'):
        layer = layer_without_bias(BUILD[place], twin).train(training)
        y = layer(x)[0]
        y.square().sum().backward()
        results.append([y, *(p.grad for p in layer.parameters())])
    torch.testing.assert_close(*results)


def test_a_single_value_per_channel_trains_without_parameters_of_the_norm() -> None:
    layer = RNN(3, 4, norm=dict(type='BN', affine=False))
    y = layer(torch.randn(1, 1, 3))[0]
    assert torch.equal(y, torch.zeros(1, 1, 4))
