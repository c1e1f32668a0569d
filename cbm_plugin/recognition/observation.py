"""How much of a video has been seen: observation ratios, and a transform that shows a beginning."""
import math
from typing import Optional, Sequence, Tuple

import numpy as np
from mmcv.transforms import BaseTransform

from ..overlap import ClipPlan
from ..registry import TRANSFORMS

RATIOS = tuple(tenths / 10 for tenths in range(1, 11))
"""10%, 20%, ..., 100% of a video: the points of an early-recognition curve."""


def check_ratio(ratio: float) -> float:
    """``ratio`` itself.

    Raises:
        ValueError: it does not lie in (0, 1].
    """
    if not 0 < ratio <= 1:
        raise ValueError(f'the observation ratio is {ratio}, but must lie in (0, 1]: '
                         + ('0 shows no frame at all, and there is nothing to decide by'
                            if ratio == 0 else '1 is the whole video'))
    return ratio


def check_ratios(ratios: Sequence[float]) -> Tuple[float, ...]:
    """``ratios`` as a tuple.

    Raises:
        ValueError: there are none, one lies outside (0, 1], or they do not rise.
    """
    checked = tuple(check_ratio(float(ratio)) for ratio in ratios)
    if not checked or list(checked) != sorted(set(checked)):
        raise ValueError(f'the observation ratios are {list(ratios)}, but must be one or more '
                         'rising numbers in (0, 1], such as [0.1, 0.5, 1.0]')
    return checked


def observed_frames(length: int, ratio: float) -> int:
    """The first ``ceil(ratio * length)`` frames are what has been seen; at least one.

    Raises:
        ValueError: the ratio does not lie in (0, 1], or the length is below 1.
    """
    if length < 1:
        raise ValueError(f'length is {length}, but a video has at least 1 frame')
    # 0.1 * 30 is a little more than 3 in floating point: 3 frames are meant, not 4
    return max(1, math.ceil(check_ratio(ratio) * length - 1e-9))


@TRANSFORMS.register_module()
class ObserveBeginning(BaseTransform):
    """Shows the network only the beginning of each video.

    Stands right after the frame sampler, so that the rest is not even decoded. The authors'
    anticipation protocol is ``frames=2``: the first two frames of the test video (section 4.1).

    Required keys: ``frame_inds`` of one clip; ``clip_plan`` where there is one. Changed: both, and
    ``clip_len``.

    Args:
        frames: the first so many (all, where there are fewer).
        ratio: instead, the first ``ceil(ratio * T)``.

    Raises:
        ValueError: both or neither is given, or one is out of range (at once); the sampler gave
            several clips (when met).
    """

    def __init__(self, frames: Optional[int] = None, ratio: Optional[float] = None) -> None:
        if (frames is None) == (ratio is None):
            raise ValueError(f'frames={frames} and ratio={ratio}: give one of them')
        if frames is not None and frames < 1:
            raise ValueError(f'frames is {frames}, but must be at least 1: without a frame there '
                             'is nothing to decide by')
        if ratio is not None:
            check_ratio(ratio)
        self.frames, self.ratio = frames, ratio

    def transform(self, results: dict) -> dict:
        """Cut ``frame_inds`` to the beginning."""
        plan = results.get('clip_plan')
        clips = results.get('num_clips', 1) if plan is None else len(plan.clips)
        if clips != 1:
            raise ValueError(f'the sampler gave {clips} clips, and the beginning of which is meant '
                             "is open: use dict(type='SampleSequence') or num_clips=1 before "
                             'ObserveBeginning')
        indices = np.asarray(results['frame_inds'])
        count = (min(self.frames, len(indices)) if self.ratio is None
                 else observed_frames(len(indices), self.ratio))
        results['frame_inds'], results['clip_len'] = indices[:count], count
        if plan is not None:
            results['clip_plan'] = ClipPlan.whole(count)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(frames={self.frames}, ratio={self.ratio})'
