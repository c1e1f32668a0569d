"""The embedded default as a data set: nothing to download."""
import os
from typing import Any, Sequence

from ..registry import DATASETS
from ..synthetic.motion_clips import CLASS_NAMES, make_motion_clips
from .dataset import CheckedVideoDataset


@DATASETS.register_module()
class MotionClips(CheckedVideoDataset):
    """The embedded default: clips that differ in motion only, made at first use.

    Args:
        data_root: folder to make them in.
        split: ``'train'``, ``'val'``, ...: each has draws of its own.
        num_clips: of the split.
        pipeline: transforms.
        seed: of the clips. Default 0.
        num_frames, size: of each clip. Default 16 frames of 32x32 pixels.
    """

    METAINFO = dict(classes=CLASS_NAMES)

    def __init__(self, data_root: str, split: str, num_clips: int, pipeline: Sequence[Any],
                 seed: int = 0, num_frames: int = 16, size: int = 32, **options: Any) -> None:
        ann_file = make_motion_clips(data_root, split, num_clips, seed, num_frames, size)
        super().__init__(str(ann_file), pipeline, num_classes=len(CLASS_NAMES),
                         data_prefix=dict(video=os.path.dirname(str(ann_file))), **options)
