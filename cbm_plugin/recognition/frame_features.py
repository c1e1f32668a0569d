"""Feature maps of single frames, from the 2D backbones of several libraries.

MMAction2's ``Recognizer2D`` averages timm's and torchvision's features to 1x1 before its neck; a
convolutional recurrence needs the maps.
"""
from typing import Any, Tuple

from mmengine.model import BaseModule
from torch import Tensor, nn

from ..registry import MODELS


def feature_maps(backbone: nn.Module, images: Tensor, origin: str = 'mmaction2',
                 shape: str = 'NCHW') -> Tensor:
    """``(M, C, H, W)`` images -> ``(M, C', H', W')`` maps, or ``(M, C')`` vectors.

    Args:
        backbone: the module.
        images: float.
        origin: ``'torchvision'`` or ``'timm'`` need their own calls; any other is called.
        shape: layout of timm's features: ``'NCHW'``, ``'NHWC'``, or ``'NLC'`` (tokens: averaged).

    Raises:
        TypeError: the backbone gives several maps, or a torchvision model has no known trunk.
    """
    if origin == 'torchvision':
        features = _torchvision_maps(backbone, images)
    elif origin == 'timm':
        features = _to_nchw(backbone.forward_features(images), shape)
    else:
        features = backbone(images)
    if isinstance(features, (tuple, list)):
        if len(features) != 1:
            raise TypeError(f'the backbone returns {len(features)} feature maps, but the recurrent '
                            'neck takes one: set backbone.out_indices to one stage, or use a '
                            'backbone with one pathway')
        features = features[0]
    return features


def _torchvision_maps(backbone: nn.Module, images: Tensor) -> Tensor:
    if hasattr(backbone, 'features'):
        return backbone.features(images)
    names = [name for name, _ in backbone.named_children()]
    if 'avgpool' not in names:
        raise TypeError(f"torchvision's {type(backbone).__name__} has neither `features` nor an "
                        '`avgpool` after its trunk: use one of its ResNet, RegNet, VGG, DenseNet, '
                        'MobileNet, EfficientNet or ConvNeXt models')
    for name, module in backbone.named_children():
        if name == 'avgpool':
            break
        images = module(images)
    return images


def _to_nchw(features: Tensor, shape: str) -> Tensor:
    if features.ndim == 3:
        shape = 'NLC'
    if shape == 'NHWC':
        return features.permute(0, 3, 1, 2)
    if shape == 'NLC':
        return features.mean(1)
    return features


@MODELS.register_module()
class NoBackbone(BaseModule):
    """In the place of a backbone where the recurrent layers see the frames themselves.

    For :class:`~cbm_plugin.recognition.neck.StandaloneCBM`.
    """

    def forward(self, images: Tensor) -> Tensor:
        """``(M, C, H, W)`` -> the same."""
        return images


@MODELS.register_module()
class SmallConvNet(BaseModule):
    """A stem for small frames: 3x3 convolutions with batch norm and ReLU, each of stride 2 or 1.

    Args:
        in_channels: of the frames.
        channels: of each convolution.
        strides: of each convolution.
    """

    def __init__(self, in_channels: int = 3, channels: Tuple[int, ...] = (16, 32),
                 strides: Tuple[int, ...] = (1, 2), init_cfg: Any = None) -> None:
        super().__init__(init_cfg)
        if len(channels) != len(strides):
            raise ValueError(f'channels {channels} and strides {strides} must be equally long')
        widths = [in_channels, *channels]
        self.stages = nn.Sequential(*[
            nn.Sequential(nn.Conv2d(widths[i], widths[i + 1], 3, strides[i], 1, bias=False),
                          nn.BatchNorm2d(widths[i + 1]), nn.ReLU(inplace=True))
            for i in range(len(channels))])

    def forward(self, images: Tensor) -> Tensor:
        """``(M, in_channels, H, W)`` -> ``(M, channels[-1], H', W')``."""
        return self.stages(images)
