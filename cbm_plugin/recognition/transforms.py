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


def _without_noise(difference: np.ndarray, noise: float) -> np.ndarray:
    """Shrink towards zero by ``noise`` robust deviations: what is left moved, the rest flickers."""
    deviation = 1.4826 * np.median(np.abs(difference))
    return np.sign(difference) * np.maximum(np.abs(difference) - noise * deviation, 0)


@TRANSFORMS.register_module()
class AddMotionChannels(BaseTransform):
    """Adds what moves: grey differences as further channels of each frame.

    ``'frame'`` is the difference to the frame before it in the sample (zero in the first);
    ``'background'`` the difference to the median of all its frames. Sensor noise is taken off and
    the rest is scaled to one strength per video, so that neither a room's darkness nor its noise
    tells it from another. All three look at the whole sample and so are not causal: not for
    anticipation or streaming. The result stands around 128 in uint8, so that frames stay small
    until their clip is normalised: mean 128, std ``gain``. Stands after decoding and geometry,
    before ``FormatShape``.

    Args:
        kinds: which, in order. Default ``('frame', 'background')``.
        keep_colour: keep the frame's own channels before them. Default True.
        gamma: brightens dark video before the differences: ``255 (v / 255) ** gamma``. Default 1.
        noise: differences shrink by so many robust standard deviations (1.48 times the median
            absolute difference). Default 3: noise passes in 0.3% of the pixels.
        gain: grey levels for one standard deviation of what is left. Default 24: five of them fit.

    Raises:
        ValueError: a kind is unknown, nothing would be left, or a number is out of range.
    """

    def __init__(self, kinds: Sequence[str] = ('frame', 'background'), keep_colour: bool = True,
                 gamma: float = 1.0, noise: float = 3.0, gain: float = 24.0) -> None:
        unknown = sorted(set(kinds) - set(MOTION))
        if unknown or not (kinds or keep_colour):
            raise ValueError(f'kinds {list(kinds)}: use one or more of {sorted(MOTION)}')
        if gamma <= 0 or gain <= 0 or noise < 0:
            raise ValueError(f'gamma={gamma} and gain={gain} must be positive, noise={noise} not '
                             'negative')
        self.kinds, self.keep_colour = tuple(kinds), keep_colour
        self.noise, self.gain = noise, gain
        self.curve = (255 * (np.arange(256) / 255) ** gamma).astype(np.float32)

    def transform(self, results: dict) -> dict:
        """Change ``imgs``: the colours, where they are kept, and the kinds of motion."""
        frames = self.curve[np.stack(results['imgs'])]
        grey = frames.mean(axis=-1)
        channels = [frames.round().astype(np.uint8)] if self.keep_colour else []
        for kind in self.kinds:
            moved = _without_noise(MOTION[kind](grey), self.noise)
            scaled = 128 + self.gain * moved / max(float(moved.std()), 1e-6)
            channels.append(scaled.clip(0, 255).round().astype(np.uint8)[..., None])
        results['imgs'] = list(np.concatenate(channels, axis=-1))
        return results


@TRANSFORMS.register_module()
class FreezeFrame(BaseTransform):
    """Repeats one random frame in place of all: the control that shows what motion is worth."""

    def transform(self, results: dict) -> dict:
        """Change ``imgs``."""
        frames: List[np.ndarray] = results['imgs']
        chosen = frames[np.random.randint(len(frames))]
        results['imgs'] = [chosen] * len(frames)
        return results
