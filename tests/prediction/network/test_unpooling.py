"""Zero-fill unpooling."""
import torch
from torch.nn import functional as F

from cbm_plugin.prediction.network.unpooling import unpool


def test_each_value_is_the_top_left_of_a_block_of_zeros() -> None:
    maps = torch.randn(2, 3, 4, 5)
    assert torch.equal(unpool(maps), torch.kron(maps, torch.tensor([[1.0, 0.0], [0.0, 0.0]])))


def test_pooling_undoes_unpooling_of_what_a_relu_gave() -> None:
    maps = torch.randn(2, 3, 4, 5).relu()
    assert torch.equal(F.max_pool2d(unpool(maps), 2), maps)


def test_only_the_top_left_of_a_block_passes_a_gradient() -> None:
    maps = torch.randn(2, 3, 4, 5, requires_grad=True)
    weight = torch.randn(2, 3, 8, 10)
    (unpool(maps) * weight).sum().backward()
    assert torch.equal(maps.grad, weight[..., ::2, ::2])


def test_channels_last_maps_stay_so() -> None:
    maps = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert unpool(maps).is_contiguous(memory_format=torch.channels_last)
