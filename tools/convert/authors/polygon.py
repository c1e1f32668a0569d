"""Their Polygon-RNN: VGG16-BN trunk, features of four depths, a CBM stack, an LSTM, a classifier.

Ours is :class:`~cbm_plugin.polygon.PolygonRNN`, whose head for the first vertex theirs has not: it
stays as it was drawn.
"""
from typing import List, Mapping, Sequence

import torch
from torch import Tensor

from cbm_plugin.layers.variants import POLYGON_CHANNELS, POLYGON_RELEASED_CHANNELS

from .mapping import Entry, batch_norm, gate, linear, size_of, vgg_convolutions

CELLS = 28 * 28
TOKENS = CELLS + 3
"""The cells of the grid, the end, two starts."""
LSTM_CHANNELS = 2 * CELLS
FEATURES = 128
IN_CHANNELS = FEATURES + 3
"""Features, the first vertex, the two before."""
SEGMENTS = {'model4': 33, 'model3': 24, 'model2': 14, 'model1': 0}
"""Their parts of the trunk, and the place in VGG16 at which each begins."""
LATERALS = [128, 256, 512, 512]
"""Channels of the trunk at the four depths."""


def entries(widths: Sequence[int] = POLYGON_RELEASED_CHANNELS) -> List[Entry]:
    """The table, at the widths of the recurrent stack."""
    lstm_input = CELLS * widths[-1] + 2 * TOKENS
    return (_trunk() + _laterals() + recurrent(widths) + lstm(lstm_input, LSTM_CHANNELS)
            + linear('linear2', 'head.classifier', TOKENS, LSTM_CHANNELS))


def table(weights: Mapping[str, Tensor]) -> List[Entry]:
    """The table at a file's widths."""
    return entries(_widths(weights))


def notes(weights: Mapping[str, Tensor]) -> List[str]:
    """Where the weights depart from the paper."""
    widths = _widths(weights)
    published = POLYGON_CHANNELS.get(len(widths))
    found = [] if widths == published else [
        f"widths of the recurrent stack {widths}; the paper's at {len(widths)} layers: {published}"]
    return found + [
        'laterals and fusion are convolution, ReLU, batch norm, in this order',
        'our LSTM has one bias, the sum of their two, and its gates in the order i, f, o, g']


def _widths(weights: Mapping[str, Tensor]) -> List[int]:
    prefix = 'convlstm.cell_list.'
    numbers = [int(number) for number in (name.split('.')[2] for name in weights
                                          if name.startswith(prefix)) if number.isdigit()]
    return [size_of(weights, f'{prefix}{i}.data_cnn.weight', 0)
            for i in range(max(numbers, default=0) + 1)]


def _trunk() -> List[Entry]:
    found: List[Entry] = []
    for place, in_channels, channels in vgg_convolutions((2, 2, 3, 3, 3)):
        segment = next(name for name, begin in SEGMENTS.items() if place >= begin)
        own, ours = place - SEGMENTS[segment], 'backbone.features'
        found += linear(f'{segment}.{own}', f'{ours}.{place}', channels, in_channels, 3, 3)
        found += batch_norm(f'{segment}.{own + 1}', f'{ours}.{place + 1}', channels)
    return found


def _laterals() -> List[Entry]:
    found: List[Entry] = []
    names = [*(f'laterals.{i}' for i in range(len(LATERALS))), 'fusion']
    for i, (ours, in_channels) in enumerate(zip(names, [*LATERALS, 4 * FEATURES]), start=1):
        found += linear(f'convlayer{i}.0', f'{ours}.conv', FEATURES, in_channels, 3, 3)
        found += batch_norm(f'convlayer{i}.2', f'{ours}.norm', FEATURES)
    return found


def recurrent(widths: Sequence[int], in_channels: int = IN_CHANNELS) -> List[Entry]:
    """R and T of each layer, without norms; T sees [state, input]."""
    found: List[Entry] = []
    for i, channels in enumerate(widths):
        theirs, ours = f'convlstm.cell_list.{i}', f'rnn.layers.{i}'
        found += linear(f'{theirs}.data_cnn', f'{ours}.bridge.unit', channels, in_channels, 3, 3)
        found += gate(f'{theirs}.ctrl_cnn', f'{ours}.temporal', in_channels, channels,
                      '[state, input]')
        in_channels = channels
    return found


def lstm(in_channels: int, channels: int) -> List[Entry]:
    """PyTorch's gates i, f, g, o in our order i, f, o, g."""
    def reorder(weight: Tensor) -> List[Tensor]:
        i, f, g, o = weight.chunk(4)
        return [torch.cat([i, f, o, g])]

    how, bias = 'gates i, f, g, o -> i, f, o, g', ('head.lstm.input_unit.bias',)
    rows, theirs = 4 * channels, 'lstmlayer'
    return [
        Entry(f'{theirs}.weight_ih_l0', (rows, in_channels), ('head.lstm.input_unit.weight',),
              how, reorder),
        Entry(f'{theirs}.weight_hh_l0', (rows, channels), ('head.lstm.state_unit.weight',),
              how, reorder),
        Entry(f'{theirs}.bias_ih_l0', (rows,), bias, how, reorder),
        Entry(f'{theirs}.bias_hh_l0', (rows,), bias, f'{how}; added to bias_ih', reorder,
              added=True)]
