"""Their standalone model: 17 layers that see the frames themselves.

Ours: configs/_base_/models/cbm17_standalone.py with the variant ``'standalone_released'``.
"""
from math import isqrt
from typing import List, Mapping

from torch import Tensor

from .action import cells, classifier, shortcuts
from .mapping import Entry, size_of

MULTIPLES = [1] * 5 + [2] * 4 + [4] * 4 + [8] * 4
"""Of the stem's channels: the widths."""


def entries(channels: int = 64, map_size: int = 7, classes: int = 400) -> List[Entry]:
    """The table.

    Args:
        channels: of the stem.
        map_size: height and width of the last maps, pixels / 32.
    """
    widths = [channels * multiple for multiple in MULTIPLES]
    projections = [(last, widths[last - 3], widths[last - 1]) for last in (7, 11, 15)]
    features, hidden = widths[-1] * map_size ** 2, widths[-1] * map_size
    return (cells(3, widths, stem_kernel=7) + shortcuts(projections)
            + classifier(features, hidden, classes))


def table(weights: Mapping[str, Tensor]) -> List[Entry]:
    """The table at a file's sizes."""
    return entries(size_of(weights, 'RNN.0.conv_data.0.weight', 0), _map_size(weights),
                   size_of(weights, 'classifier.3.weight', 0))


def notes(weights: Mapping[str, Tensor]) -> List[str]:
    """Where the weights depart from the paper, and what to use them with."""
    classes = size_of(weights, 'classifier.3.weight', 0)
    return [
        "the shortcut around layers 10 and 11 starts at layer 8's input, not at layer 10's: the "
        "weights belong to the variant 'standalone_released', not to 'standalone'",
        'trained on log_softmax(2 z) of the logits z, tested on log_softmax(z): scores at test '
        'time are those of our heads; further training on cross-entropy of z starts from softer '
        'scores than theirs',
        "config: configs/_base_/models/cbm17_standalone.py with the variant 'standalone_released' "
        f'(docs/convert.md), cls_head.num_classes={classes} and '
        f'cls_head.map_size={_map_size(weights)}']


def _map_size(weights: Mapping[str, Tensor]) -> int:
    last = MULTIPLES[-1] * size_of(weights, 'RNN.0.conv_data.0.weight', 0)
    return isqrt(size_of(weights, 'classifier.0.weight', 1) // last)
