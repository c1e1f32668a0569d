"""Image features at four depths, brought to the size of the recurrent maps."""
from typing import List, Sequence, Tuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ...registry import MODELS
from ...vgg import MmcvVGG

LEVELS = 4


@MODELS.register_module()
class PolygonVGG(MmcvVGG):
    """VGG16-BN without its last pool, read after conv2, conv3, conv4 and conv5.

    At 224 pixels: 128 channels of 56x56, 256 of 28x28, 512 of 28x28, 512 of 14x14. Parameter names
    are torchvision's.

    Args:
        depth: default 16, the paper's.
        options: of :class:`~cbm_plugin.vgg.MmcvVGG`; ``pretrained`` above all.
    """

    channels = (128, 256, 512, 512)

    def __init__(self, depth: int = 16, **options: object) -> None:
        super().__init__(depth, **options)  # type: ignore[arg-type]
        ends = [end for _, end in self.range_sub_modules]
        # conv2 and conv3 are read behind their pools, conv4 and conv5 before them
        self.reads = (ends[1], ends[2], ends[3] - 1, ends[4] - 1)

    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        """``(N, 3, S, S)`` -> four maps."""
        levels = []
        for place, layer in enumerate(self.features[:self.reads[-1]], start=1):
            x = layer(x)
            if place in self.reads:
                levels.append(x)
        return tuple(levels)


@MODELS.register_module()
class SmallTrunk(BaseModule):
    """Four stages of two 3x3 convolutions, the first with stride 2: trains from scratch on a CPU.

    Args:
        channels: of the stages, at 1/2, 1/4, 1/8 and 1/16 of the crop's size.
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 48, 64)) -> None:
        super().__init__()
        self.channels = tuple(channels)
        stages, before = [], 3
        for width in channels:
            stages.append(nn.Sequential(_convolution(before, width, 2), _convolution(width, width)))
            before = width
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        """``(N, 3, S, S)`` -> four maps."""
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return tuple(levels)


class Lateral(nn.Module):
    """3x3 convolution, ReLU, batch norm, in the authors' order."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` -> the same with ``channels``."""
        return self.norm(F.relu(self.conv(x)))


def at_size(level: Tensor, convolution: nn.Module, size: int) -> Tensor:
    """A level through its convolution, at ``size`` x ``size``.

    Larger maps are max-pooled before it, smaller ones enlarged after it: both the cheaper way.
    """
    if level.shape[-1] > size:
        level = F.adaptive_max_pool2d(level, size)
    level = convolution(level)
    if level.shape[-1] < size:
        level = F.interpolate(level, size=(size, size), mode='bilinear', align_corners=False)
    return level


def fused(levels: Sequence[Tensor], laterals: Sequence[nn.Module], fusion: nn.Module,
          size: int) -> Tensor:
    """Four levels -> ``(N, C, size, size)``: each brought to size, joined, convolved.

    Raises:
        TypeError: the backbone gives another number of maps.
    """
    if not isinstance(levels, (tuple, list)) or len(levels) != LEVELS:
        number = len(levels) if isinstance(levels, (tuple, list)) else 1
        raise TypeError(f'the polygon model reads {LEVELS} maps of its backbone, got {number}: set '
                        'backbone.out_indices=(0, 1, 2, 3)')
    maps: List[Tensor] = [at_size(level, lateral, size)
                          for level, lateral in zip(levels, laterals)]
    return fusion(torch.cat(maps, dim=1))


def _convolution(in_channels: int, channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
                         nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
