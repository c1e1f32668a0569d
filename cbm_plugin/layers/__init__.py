"""Idea 1, the Context Bridge Module, beside the recurrent layers of the field. Plain PyTorch."""

from .bridge import Bridge
from .build import LAYERS, layer_factory
from .cbm import CBM
from .deep_rnn import DeepRNN
from .initialisation import state_survival
from .merge import Merge
from .norm import FrameBatchNorm
from .packing import Packed, Packing
from .recurrent import RecurrentLayer
from .state import State, detach_state, map_state
from .temporal_dropout import TemporalDropout
from .units import GRU, LSTM, RNN, ConvGRU, ConvLSTM, ConvRNN
from .variants import (
    POLYGON_CHANNELS,
    POLYGON_RELEASED_CHANNELS,
    STANDALONE_CHANNELS,
    VARIANTS,
    variant_settings,
)

__all__ = [
    'Bridge',
    'CBM',
    'ConvGRU',
    'ConvLSTM',
    'ConvRNN',
    'DeepRNN',
    'FrameBatchNorm',
    'GRU',
    'LAYERS',
    'LSTM',
    'Merge',
    'POLYGON_CHANNELS',
    'POLYGON_RELEASED_CHANNELS',
    'Packed',
    'Packing',
    'RNN',
    'RecurrentLayer',
    'STANDALONE_CHANNELS',
    'State',
    'TemporalDropout',
    'VARIANTS',
    'detach_state',
    'layer_factory',
    'map_state',
    'state_survival',
    'variant_settings',
]
