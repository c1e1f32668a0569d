"""What LPIPS is fed, and what is said where it is not installed."""
import sys

import pytest
import torch

from cbm_plugin.prediction.evaluation.lpips import AT_ONCE, alexnet, lpips
from cbm_plugin.prediction.evaluation.metric import FramePredictionMetric


@pytest.mark.parametrize('channels', [1, 3])
def test_the_network_sees_three_channels_from_minus_one_to_one_and_keeps_the_order(channels):
    steps = AT_ONCE - 1  # two sequences do not fit in one batch of the network
    levels = torch.linspace(0, 1, 2 * steps).view(2, steps, 1, 1, 1)
    predictions = levels.expand(2, steps, channels, 4, 5)
    seen = []

    def network(x, y):
        seen.extend([x, y])
        return (x - y).abs().mean((1, 2, 3), keepdim=True)

    values = lpips(predictions, torch.zeros_like(predictions), network)
    torch.testing.assert_close(values, 2 * levels[:, :, 0, 0, 0])
    assert {images.shape[1:] for images in seen} == {(3, 4, 5)}
    assert torch.cat(seen).min() == -1 and torch.cat(seen).max() == 1


def test_without_the_package_the_remedy_is_said_before_anything_is_tested(monkeypatch):
    alexnet.cache_clear()
    monkeypatch.setitem(sys.modules, 'lpips', None)  # as Python marks what cannot be imported
    with pytest.raises(ImportError, match='pip install lpips .*torchvision'):
        FramePredictionMetric(metrics=('psnr', 'lpips'))
