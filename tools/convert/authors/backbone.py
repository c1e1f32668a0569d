"""Their backbone-supported model: VGG19-BN and 15 layers of 512 channels.

Ours: configs/_base_/models/cbm15_vgg19bn.py.
"""
from typing import List, Mapping

from torch import Tensor

from .action import cells, classifier, shortcuts
from .mapping import Entry, batch_norm, linear, size_of, vgg_convolutions

DEPTH = 15


def entries(channels: int = 512, classes: int = 101, vgg: bool = True) -> List[Entry]:
    """The table.

    Args:
        channels: of every layer.
        vgg: False: the file holds the stack and the classifier alone.
    """
    table: List[Entry] = []
    for place, in_channels, out_channels in vgg_convolutions((2, 2, 4, 4, 4)) if vgg else []:
        table += linear(f'vgg.{place}', f'backbone.features.{place}',
                        out_channels, in_channels, 3, 3)
        table += batch_norm(f'vgg.{place + 1}', f'backbone.features.{place + 1}', out_channels)
    return (table + cells(channels, [channels] * DEPTH)
            + shortcuts([(last, channels, channels) for last in (5, 10, 15)])
            + classifier(channels, channels, classes))


def table(weights: Mapping[str, Tensor], vgg: bool = True) -> List[Entry]:
    """The table at a file's sizes."""
    channels = 512 if vgg else size_of(weights, 'RNN.0.conv_data.0.weight', 0)
    return entries(channels, size_of(weights, 'classifier.3.weight', 0), vgg)


def notes(weights: Mapping[str, Tensor]) -> List[str]:
    """What to use the weights with."""
    classes = size_of(weights, 'classifier.3.weight', 0)
    return [f'config: configs/_base_/models/cbm15_vgg19bn.py with backbone.pretrained=None and '
            f'cls_head.num_classes={classes}']
