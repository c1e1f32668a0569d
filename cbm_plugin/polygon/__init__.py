"""Polygon-RNN: outlines of objects, vertex by vertex. Import this to register its parts.

In a config: ``custom_imports = dict(imports=['cbm_plugin.polygon'])``.
"""
from .. import engine, overlap  # noqa: F401  (registers their parts)
from .data_sample import PolygonDataSample
from .decoding import Decoded, decode
from .grid import VertexGrid
from .heads import LSTMVertexHead, MapVertexHead
from .metric import PolygonIoU
from .model import PolygonRNN
from .trunk import PolygonVGG, SmallTrunk

__all__ = [
    'Decoded', 'LSTMVertexHead', 'MapVertexHead', 'PolygonDataSample', 'PolygonIoU', 'PolygonRNN',
    'PolygonVGG', 'SmallTrunk', 'VertexGrid', 'decode',
]
