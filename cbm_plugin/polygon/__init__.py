"""Polygon-RNN: outlines of objects, vertex by vertex. Import this to register its parts.

In a config: ``custom_imports = dict(imports=['cbm_plugin.polygon'])``.
"""
from .. import engine, overlap  # noqa: F401  (registers their parts)
from .annotation.inferencer import PolygonInferencer
from .annotation.interaction import PolygonSession, simulate_clicks
from .annotation.predictions import OutlinePrediction
from .data.cityscapes import CityscapesPolygons
from .data.coco import CocoPolygons
from .data.data_sample import PolygonDataSample
from .data.synthetic_shapes import SyntheticShapes
from .data.transforms import (
    CropObject,
    EncodeOutline,
    FlipObject,
    JitterColour,
    JitterVertices,
    LoadObjectImage,
    PackPolygonInputs,
    SampleVertexClips,
)
from .evaluation.metric import PolygonIoU
from .geometry.grid import VertexGrid
from .network.decoding import Decoded, decode
from .network.heads import LSTMVertexHead, MapVertexHead
from .network.model import PolygonRNN
from .network.trunk import PolygonVGG, SmallTrunk

__all__ = [
    'CityscapesPolygons', 'CocoPolygons', 'CropObject', 'Decoded', 'EncodeOutline', 'FlipObject',
    'JitterColour', 'JitterVertices', 'LSTMVertexHead', 'LoadObjectImage', 'MapVertexHead',
    'OutlinePrediction', 'PackPolygonInputs', 'PolygonDataSample', 'PolygonInferencer',
    'PolygonIoU', 'PolygonRNN', 'PolygonSession', 'PolygonVGG', 'SampleVertexClips', 'SmallTrunk',
    'SyntheticShapes', 'VertexGrid', 'decode', 'simulate_clicks',
]
