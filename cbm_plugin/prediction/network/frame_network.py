"""What every network that predicts frames has in common: one step, and roll-outs made of steps."""
from abc import ABC, abstractmethod
from typing import Iterator, Optional, Tuple

import torch
from torch import Tensor, nn

from ...layers.sequence import Lengths
from ...layers.state import State


class FrameNetwork(nn.Module, ABC):
    """Predicts the next frame of a video from the frames so far, with a carried state.

    Frames lie in [0, 1]. Predictions are not clipped to it, so that every error has a gradient;
    what is fed back is, as a frame would be: an error cannot grow beyond a frame's range.
    A subclass supplies :meth:`next_frames` and :meth:`step`, and :meth:`observe` where it is
    cheaper than the last of ``next_frames``.

    Args:
        channels: C of the frames: 1 for grey, 3 for colour.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    @abstractmethod
    def next_frames(self, frames: Tensor, state: Optional[State] = None, lengths: Lengths = None,
                    state_at: Lengths = None) -> Tuple[Tensor, State]:
        """Teacher forcing: each frame's successor, predicted from the true frames up to it.

        Args:
            frames: ``(N, T, C, H, W)``.
            state: to go on from; None at the start.
            lengths, state_at: see :meth:`~cbm_plugin.layers.recurrent.RecurrentLayer.forward`.

        Returns:
            ``(N, T, C, H, W)``, of which entry t is the prediction of frame t + 1, and the state.
        """

    @abstractmethod
    def step(self, frame: Tensor, state: Optional[State]) -> Tuple[Tensor, State]:
        """One frame ``(N, C, H, W)`` -> the prediction of the next one, and the state."""

    def observe(self, frames: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """``(N, T, C, H, W)`` -> the prediction ``(N, C, H, W)`` of frame T + 1, and the state."""
        predictions, state = self.next_frames(frames, state)
        return predictions[:, -1], state

    def rollout(self, frames: Tensor, num_outputs: int) -> Tensor:
        """Predict on, each prediction fed back; of the past only the state is kept.

        Args:
            frames: ``(N, T, C, H, W)`` that are known.
            num_outputs: how many to predict, at least 1.

        Returns:
            ``(N, num_outputs, C, H, W)``.
        """
        return torch.stack(list(self.feed_back(frames, num_outputs)), dim=1)

    def feed_back(self, frames: Tensor, num_outputs: int) -> Iterator[Tensor]:
        """:meth:`rollout`, one frame at a time: for horizons that are not to be kept."""
        frame, state = self.observe(frames)
        yield frame
        for _ in range(num_outputs - 1):
            frame, state = self.step(frame.clamp(0, 1), state)
            yield frame

    def forward(self, frames: Tensor, num_inputs: int, given: Optional[Tensor] = None,
                inputs_too: bool = False) -> Tensor:
        """Training: predict the frames after the inputs, from the truth or from predictions.

        All that training computes is in this one call, so that a distributed wrapper around the
        network sees it.

        Args:
            frames: ``(N, T, C, H, W)``, inputs and truth.
            num_inputs: how many of them are always given.
            given: bool ``(N or 1, T - num_inputs - 1)``: where the true frame is fed after the
                inputs, and not its prediction. Default None: everywhere (teacher forcing).
            inputs_too: also predict the inputs 2, 3, ... . Default False.

        Returns:
            ``(N, T - num_inputs, C, H, W)``, with ``inputs_too`` ``(N, T - 1, C, H, W)``.
        """
        if given is None or bool(given.all()):
            predictions, _ = self.next_frames(frames[:, :-1])
            return predictions if inputs_too else predictions[:, num_inputs - 1:]
        made = []
        if inputs_too:
            first, state = self.next_frames(frames[:, :num_inputs])
            made, frame = [*first[:, :-1].unbind(1)], first[:, -1]
        else:
            frame, state = self.observe(frames[:, :num_inputs])
        made.append(frame)
        for is_given, truth in zip(given.unbind(1), frames[:, num_inputs:-1].unbind(1)):
            frame = torch.where(is_given[:, None, None, None], truth, frame.clamp(0, 1))
            frame, state = self.step(frame, state)
            made.append(frame)
        return torch.stack(made, dim=1)
