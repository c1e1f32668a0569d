"""Video future prediction: see some frames, predict the next. Import this to register its parts.

In a config: ``custom_imports = dict(imports=['cbm_plugin.prediction'])``.
"""
from .. import engine, overlap  # noqa: F401  (registers their parts)
from .data.data_sample import PredictionDataSample
from .data.kth import KTHActions
from .data.moving_mnist import MovingMNIST
from .data.moving_shapes import MovingShapes
from .data.pack import PackFrames, SampleFrameClips
from .data.video_folder import VideoFrameFolder
from .evaluation.metric import FramePredictionMetric
from .network.baselines import BlackFrame, CopyLastFrame, InputMean
from .network.frame_network import FrameNetwork
from .network.mcnet import MCnet
from .network.patch_network import PatchNetwork
from .pictures.hook import PredictionPicturesHook
from .training.adversarial import AdversarialPredictor
from .training.discriminator import FrameSequenceDiscriminator
from .training.losses import FrameL1Loss, FrameMSELoss, GradientDifferenceLoss
from .training.optim_wrappers import NetworksOptimWrapper, NetworksOptimWrapperConstructor
from .training.predictor import VideoPredictor
from .training.preprocessor import FramePreprocessor
from .training.wrapper import NetworksDistributedDataParallel

__all__ = [
    'AdversarialPredictor', 'BlackFrame', 'CopyLastFrame', 'FrameL1Loss', 'FrameMSELoss',
    'FrameNetwork', 'FramePredictionMetric', 'FramePreprocessor', 'FrameSequenceDiscriminator',
    'GradientDifferenceLoss', 'InputMean', 'KTHActions', 'MCnet', 'MovingMNIST', 'MovingShapes',
    'NetworksDistributedDataParallel', 'NetworksOptimWrapper',
    'NetworksOptimWrapperConstructor', 'PackFrames', 'PatchNetwork', 'PredictionDataSample',
    'PredictionPicturesHook', 'SampleFrameClips', 'VideoFrameFolder', 'VideoPredictor',
]
