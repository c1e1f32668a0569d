"""Predictions that know nothing of motion: what a trained network must beat.

Which of them is the strongest depends on the metric: on Moving MNIST, black in squared error.
"""
from typing import Optional, Tuple, cast

import torch
from torch import Tensor

from ...layers.sequence import Lengths
from ...layers.state import State
from ...registry import MODELS
from .frame_network import FrameNetwork


class Baseline(FrameNetwork):
    """Has no parameters, takes any number of frames, and recurs only where it says so."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__(channels)

    def next_frames(self, frames: Tensor, state: Optional[State] = None, lengths: Lengths = None,
                    state_at: Lengths = None) -> Tuple[Tensor, State]:
        """Step by step.

        Raises:
            ValueError: a state in between is asked for: clips are for training, and there is
                nothing to train here.
        """
        if state_at is not None:
            raise ValueError(f'{type(self).__name__} has nothing to train, so it takes no clips: '
                             'leave SampleFrameClips out of the pipeline')
        predictions, carried = [], () if state is None else state
        for frame in frames.unbind(1):
            prediction, carried = self.step(frame, carried)
            predictions.append(prediction)
        return torch.stack(predictions, 1), carried


@MODELS.register_module()
class CopyLastFrame(Baseline):
    """Nothing moves any more: predicts the last frame that was seen.

    Args:
        channels: C of the frames. Default 1.
    """

    def step(self, frame: Tensor, state: Optional[State]) -> Tuple[Tensor, State]:
        """The frame itself; there is no state."""
        return frame, ()


@MODELS.register_module()
class BlackFrame(Baseline):
    """Predicts black.

    Args:
        channels: C of the frames. Default 1.
    """

    def step(self, frame: Tensor, state: Optional[State]) -> Tuple[Tensor, State]:
        """Zeros; there is no state."""
        return torch.zeros_like(frame), ()


@MODELS.register_module()
class InputMean(Baseline):
    """Predicts the mean of the frames so far. Fed its own predictions, it stays that of the inputs.

    Args:
        channels: C of the frames. Default 1.
    """

    def step(self, frame: Tensor, state: Optional[State]) -> Tuple[Tensor, State]:
        """The state is the mean and, for each sequence, the number of frames ``(N, 1, 1, 1)``."""
        if not state:  # None or (): the start
            return frame, (frame, torch.ones_like(frame[:, :1, :1, :1]))
        mean, count = cast(Tuple[Tensor, Tensor], state)
        mean, count = mean + (frame - mean) / (count + 1), count + 1
        return mean, (mean, count)
