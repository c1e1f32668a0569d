"""Transforms of decoded frames that MMAction2 does not have."""
from typing import Callable, Dict, List, Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from ..registry import TRANSFORMS


def _frame_difference(grey: np.ndarray) -> np.ndarray:
    return np.diff(grey, axis=0, prepend=grey[:1])


def _background_difference(grey: np.ndarray) -> np.ndarray:
    return grey - np.median(grey, axis=0, keepdims=True)


MOTION: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'frame': _frame_difference, 'background': _background_difference}


@TRANSFORMS.register_module()
class AddMotionChannels(BaseTransform):
    """Adds what moves: grey differences as further channels of each frame.

    ``'frame'`` is the difference to the frame before it in the sample (zero in the first);
    ``'background'`` the difference to the median of all its frames, which sees the whole sample and
    so is not causal: leave it out for anticipation and streaming. Each difference, times ``gain``,
    is stored around 128 in uint8, so that frames stay small until their clip is normalised. Stands
    after decoding, before or after geometry, and before colour transforms and ``FormatShape``.

    Args:
        kinds: which, in order. Default ``('frame', 'background')``.
        keep_colour: keep the frame's own channels before them. Default True.
        gamma: brightens dark video before the differences: ``255 (v / 255) ** gamma``. Default 1.
        gain: of the differences. Default 2.

    Raises:
        ValueError: a kind is unknown, or nothing would be left.
    """

    def __init__(self, kinds: Sequence[str] = ('frame', 'background'), keep_colour: bool = True,
                 gamma: float = 1.0, gain: float = 2.0) -> None:
        unknown = sorted(set(kinds) - set(MOTION))
        if unknown or not (kinds or keep_colour):
            raise ValueError(f'kinds {list(kinds)}: use one or more of {sorted(MOTION)}')
        if gamma <= 0 or gain <= 0:
            raise ValueError(f'gamma={gamma} and gain={gain} must be positive')
        self.kinds, self.keep_colour, self.gain = tuple(kinds), keep_colour, gain
        self.curve = (255 * (np.arange(256) / 255) ** gamma).round().astype(np.uint8)

    def transform(self, results: dict) -> dict:
        frames = self.curve[np.stack(results['imgs'])]
        grey = frames.mean(axis=-1, dtype=np.float32)
        channels = [frames] if self.keep_colour else []
        for kind in self.kinds:
            moved = 128 + self.gain * MOTION[kind](grey)
            channels.append(moved.clip(0, 255).astype(np.uint8)[..., None])
        results['imgs'] = list(np.concatenate(channels, axis=-1))
        return results


@TRANSFORMS.register_module()
class FreezeFrame(BaseTransform):
    """Repeats one random frame in place of all: the control that shows what motion is worth."""

    def transform(self, results: dict) -> dict:
        frames: List[np.ndarray] = results['imgs']
        chosen = frames[np.random.randint(len(frames))]
        results['imgs'] = [chosen] * len(frames)
        return results
