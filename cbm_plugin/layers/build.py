"""Layers by name, so that a config can say which."""

from functools import partial
from inspect import signature
from typing import Callable, Dict, Iterable

from torch import nn

from .cbm import CBM
from .recurrent import RecurrentLayer
from .units import GRU, LSTM, RNN, ConvGRU, ConvLSTM, ConvRNN

LAYERS: Dict[str, Callable[..., RecurrentLayer]] = {
    cls.__name__: cls for cls in (CBM, ConvRNN, ConvLSTM, ConvGRU, RNN, LSTM, GRU)
}
"""Every recurrent layer, by the name that a config uses."""


def check_options(kind: type, options: Iterable[str]) -> None:
    """See that a class takes these options.

    Raises:
        ValueError: it does not; the message names those that it takes.
    """
    own = next(
        cls
        for cls in kind.__mro__
        if '__init__' in vars(cls)
        and not any(
            parameter.kind is parameter.VAR_KEYWORD
            for parameter in signature(vars(cls)['__init__']).parameters.values()
        )
    )
    known = [name for name in signature(own).parameters if not name.endswith('_channels')]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"{kind.__name__} has no option '{unknown[0]}': use one of {sorted(known)}"
        )


def layer_factory(config: dict) -> Callable[..., nn.Module]:
    """A function of ``(in_channels, hidden_channels, ...)`` from ``dict(type=..., **options)``.

    ``type`` is a name in :data:`LAYERS` or any callable; the options ``bridge`` and ``temporal``
    may be such dicts in turn.

    Raises:
        ValueError: there is no ``type``, no layer of that name, or it has no such option.
    """
    options = dict(config)
    kind = options.pop('type', None)
    if isinstance(kind, str) and kind in LAYERS:
        kind = LAYERS[kind]
    if not callable(kind):
        raise ValueError(f"layer type '{kind}' is unknown: use one of {sorted(LAYERS)}, or a class")
    if kind in LAYERS.values():
        check_options(kind, options)
    for name in ('bridge', 'temporal'):
        if isinstance(options.get(name), dict):
            options[name] = layer_factory(options[name])
    return partial(kind, **options)
