"""The authors' three published PyTorch models: which of their weights are which of ours.

These tables stand with the tool, not in the package: only a conversion needs the foreign names.
"""
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional

from torch import Tensor

from . import backbone, polygon, standalone
from .mapping import Entry

Weights = Mapping[str, Tensor]


class Kind(NamedTuple):
    """One of the authors' models.

    table: what becomes of each weight, at the sizes of a file's weights.
    notes: where these weights depart from the paper, and what to use them with.
    """
    table: Callable[[Weights], List[Entry]]
    notes: Callable[[Weights], List[str]]


KINDS: Dict[str, Kind] = {
    'backbone': Kind(backbone.table, backbone.notes),
    'standalone': Kind(standalone.table, standalone.notes),
    'polygon': Kind(polygon.table, polygon.notes),
}


def likely_kind(weights: Weights) -> Optional[str]:
    """Which model the names look like; None: none of them."""
    tops = {name.split('.')[0] for name in weights}
    if 'convlstm' in tops:
        return 'polygon'
    if 'vgg' in tops:
        return 'backbone'
    stem = weights.get('RNN.0.conv_data.0.weight')
    if stem is not None and stem.shape[-1] == 7:
        return 'standalone'
    return None
