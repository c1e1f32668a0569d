"""Action recognition: import this module to register all of it with MMAction2.

In a config: ``custom_imports = dict(imports=['cbm_plugin.recognition'])``.
"""
from .. import engine, overlap  # noqa: F401  (registers their parts)
from ..vgg import MmcvVGG
from .aggregation import AGGREGATIONS, aggregate
from .anticipation import anticipation_loss
from .dataset import CheckedVideoDataset
from .decord_init import BoundedDecordInit
from .early_cue import EarlyCue
from .early_recognition import EarlyRecognitionMetric
from .feature_sequences import FeatureIdentity, FeatureSequences, LoadFeatures
from .frame_features import NoBackbone, SmallConvNet, feature_maps
from .fused_decoding import DecordDecodeFused
from .head import RecurrentHead
from .hidden_layer_head import HiddenLayerHead
from .motion_clips import MotionClips
from .neck import RecurrentNeck, StandaloneCBM
from .observation import ObserveBeginning
from .prefixes import EarlyRecognitionLoop, predict_prefixes
from .preprocessor import SequencePreprocessor
from .rawframe_dataset import CheckedRawframeDataset
from .recognizer import RecurrentRecognizer
from .small_frames import SmallFramesInit
from .streaming import StreamRecognizer
from .transforms import AddMotionChannels, FreezeFrame
from .video_faults import VideoFaultHook

__all__ = [
    'EarlyCue', 'EarlyRecognitionLoop', 'EarlyRecognitionMetric', 'ObserveBeginning',
    'predict_prefixes',
    'AGGREGATIONS', 'AddMotionChannels', 'BoundedDecordInit', 'CheckedRawframeDataset',
    'CheckedVideoDataset',
    'DecordDecodeFused', 'FeatureIdentity', 'FeatureSequences', 'FreezeFrame', 'LoadFeatures',
    'MotionClips',
    'RecurrentHead', 'RecurrentNeck', 'RecurrentRecognizer', 'SequencePreprocessor',
    'HiddenLayerHead', 'MmcvVGG', 'NoBackbone', 'SmallConvNet', 'SmallFramesInit', 'StandaloneCBM',
    'StreamRecognizer', 'VideoFaultHook', 'aggregate', 'anticipation_loss', 'feature_maps',
]
