"""Strided 1x1 convolutions: oneDNN's own corrupts memory, ours is the same function."""
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from cbm_plugin.layers import CBM
from cbm_plugin.layers.recurrent import projection

SURVIVES = """
import torch
from cbm_plugin.layers import CBM
from cbm_plugin.layers.packing import Packing
from cbm_plugin.layers.recurrent import projection
unit, layer = projection(4, 8, 1, stride=2), CBM(4, 4, stride=2, bridge_kernel_size=1, norm=None)
frames = Packing(1, 6).pack(torch.randn(1, 6, 4, 56, 56))
kept = []
for _ in range(100):
    unit(frames).sum().backward()
    layer(frames[None])[0].sum().backward()
    kept = [*kept, [torch.empty(size) for size in (10, 100, 1000, 5000)]][-20:]
"""


def test_training_small_widths_on_large_maps_does_not_corrupt_memory() -> None:
    done = subprocess.run([sys.executable, '-c', SURVIVES], capture_output=True, text=True,
                          cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize('size', [7, 8])
@pytest.mark.parametrize('stride', [2, 4])
def test_it_is_the_convolution_of_pytorch(stride: int, size: int) -> None:
    torch.manual_seed(0)
    ours = projection(3, 5, 1, stride)
    theirs = nn.Conv2d(3, 5, 1, stride)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, size, size)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_fast_twin_has_its_gradients() -> None:
    torch.manual_seed(0)
    layers = [CBM(3, 4, stride=2, bridge_kernel_size=1, twin=twin).double()
              for twin in ('fast', 'naive')]
    layers[1].load_state_dict(layers[0].state_dict())
    x = torch.randn(2, 3, 3, 7, 9).double()
    gradients = []
    for layer in layers:
        torch.manual_seed(1)
        layer(x)[0].square().sum().backward()
        gradients.append(layer.bridge.unit.weight.grad)
    torch.testing.assert_close(*gradients)
