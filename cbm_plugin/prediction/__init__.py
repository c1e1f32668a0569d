"""Video future prediction: see some frames, predict the next. Import this to register its parts.

In a config: ``custom_imports = dict(imports=['cbm_plugin.prediction'])``.
"""
from .. import engine, overlap  # noqa: F401  (registers their parts)
from .data.data_sample import PredictionDataSample
from .data.moving_mnist import MovingMNIST
from .data.moving_shapes import MovingShapes
from .data.pack import PackFrames, SampleFrameClips
from .network.frame_network import FrameNetwork
from .network.mcnet import MCnet
from .network.patch_network import PatchNetwork
from .pictures.hook import PredictionPicturesHook
from .training.losses import FrameL1Loss, FrameMSELoss, GradientDifferenceLoss
from .training.predictor import VideoPredictor
from .training.preprocessor import FramePreprocessor

__all__ = [
    'FrameL1Loss', 'FrameMSELoss', 'FrameNetwork', 'FramePreprocessor', 'GradientDifferenceLoss',
    'MCnet', 'MovingMNIST', 'MovingShapes', 'PackFrames', 'PatchNetwork', 'PredictionDataSample',
    'PredictionPicturesHook', 'SampleFrameClips', 'VideoPredictor',
]
