"""Layers by name, so that a config can say which."""
from functools import partial
from typing import Callable, Dict

from torch import nn

from .cbm import CBM
from .recurrent import RecurrentLayer
from .units import GRU, LSTM, RNN, ConvGRU, ConvLSTM, ConvRNN

LAYERS: Dict[str, Callable[..., RecurrentLayer]] = {
    cls.__name__: cls for cls in (CBM, ConvRNN, ConvLSTM, ConvGRU, RNN, LSTM, GRU)}
"""Every recurrent layer, by the name that a config uses."""


def layer_factory(config: dict) -> Callable[..., nn.Module]:
    """A function of ``(in_channels, hidden_channels, ...)`` from ``dict(type=..., **options)``.

    ``type`` is a name in :data:`LAYERS` or any callable; the options ``bridge`` and ``temporal``
    may be such dicts in turn.

    Raises:
        ValueError: there is no ``type``, or no layer of that name.
    """
    options = dict(config)
    kind = options.pop('type', None)
    if isinstance(kind, str) and kind in LAYERS:
        kind = LAYERS[kind]
    if not callable(kind):
        raise ValueError(f"layer type '{kind}' is unknown: use one of {sorted(LAYERS)}, or a class")
    for name in ('bridge', 'temporal'):
        if isinstance(options.get(name), dict):
            options[name] = layer_factory(options[name])
    return partial(kind, **options)
