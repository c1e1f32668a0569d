"""What their two action models share: cells, shortcuts, classifier.

Their ``RNN.i`` is our layer i + 1. A convolution that stands before a batch norm keeps its bias.
"""
from typing import List, Sequence, Tuple

from .mapping import Entry, batch_norm, gate, linear


def cells(in_channels: int, widths: Sequence[int], stem_kernel: int = 3) -> List[Entry]:
    """R and T of each layer, each with its batch norm; T sees [input, state]."""
    entries: List[Entry] = []
    for i, channels in enumerate(widths):
        kernel = stem_kernel if i == 0 else 3
        theirs, ours = f'RNN.{i}', f'neck.rnn.layers.{i}'
        entries += linear(f'{theirs}.conv_data.0', f'{ours}.bridge.unit',
                          channels, in_channels, kernel, kernel)
        entries += batch_norm(f'{theirs}.conv_data.1', f'{ours}.bridge.norm', channels)
        entries += gate(f'{theirs}.conv_ctrl.0', f'{ours}.temporal', in_channels, channels,
                        '[input, state]')
        entries += batch_norm(f'{theirs}.conv_ctrl.1', f'{ours}.temporal.norm', channels)
        in_channels = channels
    return entries


def shortcuts(of: Sequence[Tuple[int, int, int]]) -> List[Entry]:
    """1x1 convolutions with batch norm; ``of`` has (the last layer it spans, in, out) of each."""
    entries: List[Entry] = []
    for i, (last, in_channels, channels) in enumerate(of):
        theirs, ours = f'ShortCut.{i}', f'neck.rnn.shortcuts.{last}'
        entries += linear(f'{theirs}.0', f'{ours}.unit', channels, in_channels, 1, 1)
        entries += batch_norm(f'{theirs}.1', f'{ours}.norm', channels)
    return entries


def classifier(features: int, hidden: int, classes: int) -> List[Entry]:
    """Two linear maps, those of ``HiddenLayerHead``; both flatten maps as (C, H, W)."""
    return (linear('classifier.0', 'cls_head.fc_hidden', hidden, features)
            + linear('classifier.3', 'cls_head.fc_cls', classes, hidden))
