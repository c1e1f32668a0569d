"""The test pipeline of a config, frame by frame."""
from typing import Mapping, Optional, Sequence

import numpy as np
import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from ..registry import TRANSFORMS

SOURCES = frozenset({
    'ArrayDecode', 'DecordDecode', 'DecordInit', 'ImageDecode', 'OpenCVDecode', 'OpenCVInit',
    'PIMSDecode', 'PIMSInit', 'PyAVDecode', 'PyAVInit', 'RawFrameDecode'})
"""Transforms whose work the stream does: it brings decoded frames."""

SAMPLERS = frozenset({
    'DenseSampleFrames', 'SampleFixedStrideClips', 'SampleFrames', 'SampleOverlapClips',
    'SampleSequence', 'UniformSample', 'UntrimmedSampleFrames'})
"""Transforms that choose frames: a stream feeds every one, or every k-th."""

PER_FRAME = frozenset({'CenterCrop', 'FormatShape', 'Fuse', 'Resize'})
"""Transforms that do the same to a frame, whatever the others are."""

PACKERS = frozenset({'PackActionInputs', 'PackSequenceInputs'})

REFUSED = {
    'AddMotionChannels': 'it looks at the whole video before its first frame goes on',
    'DecordDecodeFused': 'it decodes by itself: write DecordDecode, Resize and CenterCrop',
    'LoadFeatures': 'it reads features that were extracted before, and a stream brings frames',
    'ObserveBeginning': 'a stream decides after every frame anyway: leave it out',
    'ThreeCrop': 'it makes three videos of one: use CenterCrop',
    'TenCrop': 'it makes ten videos of one: use CenterCrop',
}


class FramePipeline:
    """The transforms of a test pipeline that a single frame needs, made ready to run on each.

    Args:
        pipeline: of the test data set: decoders and samplers are left out, what is known to work
            on each frame alone is kept.
        per_frame: further types that do, of your own.

    Raises:
        ValueError: a transform needs the whole video, draws at random, or is unknown; the frames
            do not end up as (T, C, H, W).
    """

    def __init__(self, pipeline: Sequence[Mapping], per_frame: Sequence[str] = ()) -> None:
        init_default_scope('mmaction')
        self.transforms = []
        formats = [step.get('input_format') for step in pipeline if step['type'] == 'FormatShape']
        if formats != ['NCHW']:
            raise ValueError("the test pipeline must have dict(type='FormatShape', "
                             f"input_format='NCHW') once, not input_format={formats}")
        for step in pipeline:
            name = step['type']
            if name in PER_FRAME or name in per_frame:
                self.transforms.append(TRANSFORMS.build(dict(step)))
            elif name not in SOURCES | SAMPLERS | PACKERS:
                reason = REFUSED.get(name, 'it is not known to work on each frame alone; if it '
                                     f"does, give per_frame=['{name}']")
                raise ValueError(f'{name} of the test pipeline cannot run on a stream: {reason}')

    def __call__(self, frame: np.ndarray) -> Tensor:
        """An RGB frame ``(H, W, 3)`` -> ``(1, C, H', W')``, uint8."""
        results = dict(imgs=[frame], img_shape=frame.shape[:2], original_shape=frame.shape[:2],
                       modality='RGB', num_clips=1, clip_len=1, frame_inds=np.zeros(1, int))
        for transform in self.transforms:
            results = transform(results)
        return torch.from_numpy(np.ascontiguousarray(results['imgs']))


def interval_of(pipeline: Sequence[Mapping]) -> int:
    """From one sampled frame to the next, where the test pipeline says it.

    Raises:
        ValueError: its sampler spreads a number of frames over the length of a video, and a stream
            has no length.
    """
    samplers = [step for step in pipeline if step['type'] in SAMPLERS]
    if not samplers:
        return 1
    interval = _interval(samplers[0])
    if interval is None:
        raise ValueError(f"{samplers[0]['type']} of the test pipeline spreads a number of frames "
                         'over the length of a video, which a stream does not have: give '
                         'frame_interval (stream_demo.py: --interval), the frames from one that is '
                         'fed to the next')
    return interval


def _interval(sampler: Mapping) -> Optional[int]:
    steady = sampler['type'] == 'SampleSequence' and sampler.get('num_items') is None \
        or sampler['type'] == 'SampleFrames' and sampler.get('num_clips', 1) == 1
    return sampler.get('frame_interval', 1) if steady else None
