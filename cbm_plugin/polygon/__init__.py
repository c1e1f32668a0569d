"""Polygon-RNN: outlines of objects, vertex by vertex. Import this to register its parts.

In a config: ``custom_imports = dict(imports=['cbm_plugin.polygon'])``.
"""
from .. import engine, overlap  # noqa: F401  (registers their parts)
from .cityscapes import CityscapesPolygons
from .coco import CocoPolygons
from .data_sample import PolygonDataSample
from .decoding import Decoded, decode
from .grid import VertexGrid
from .heads import LSTMVertexHead, MapVertexHead
from .inferencer import PolygonInferencer
from .interaction import PolygonSession, simulate_clicks
from .metric import PolygonIoU
from .model import PolygonRNN
from .predictions import OutlinePrediction
from .synthetic_shapes import SyntheticShapes
from .transforms import (
    CropObject,
    EncodeOutline,
    FlipObject,
    JitterColour,
    JitterVertices,
    LoadObjectImage,
    PackPolygonInputs,
    SampleVertexClips,
)
from .trunk import PolygonVGG, SmallTrunk

__all__ = [
    'CityscapesPolygons', 'CocoPolygons', 'CropObject', 'Decoded', 'EncodeOutline', 'FlipObject',
    'JitterColour', 'JitterVertices', 'LSTMVertexHead', 'LoadObjectImage', 'MapVertexHead',
    'OutlinePrediction', 'PackPolygonInputs', 'PolygonDataSample', 'PolygonInferencer',
    'PolygonIoU', 'PolygonRNN', 'PolygonSession', 'PolygonVGG', 'SampleVertexClips', 'SmallTrunk',
    'SyntheticShapes', 'VertexGrid', 'decode', 'simulate_clicks',
]
