"""Tells true continuations of a video from predicted ones."""
from typing import List, Sequence, Tuple, Union

import torch
from torch import Tensor, nn

from ...registry import MODELS


@MODELS.register_module()
class FrameSequenceDiscriminator(nn.Module):
    """A convolutional classifier of whole sequences, as in MCnet (Villegas et al. 2017).

    The frames of a sequence, inputs and outputs, are stacked on channels and go through 5x5
    convolutions of stride 2 with leaky ReLU and, from the second on, batch norm; a linear layer
    makes one logit of the last maps. Batch norm always takes the statistics of the batch at hand,
    also in evaluation, and keeps none: the discriminator serves training only. Convolutions start
    with Xavier's weights, the linear layer with a normal distribution of deviation 0.02.

    Args:
        num_frames: frames of a sequence, inputs and outputs together.
        channels: C of the frames. Default 1: grey.
        size: height and width of the frames, or one number for both; multiples of 16 with the
            default ``widths``. Default 128, as published for KTH.
        widths: channels of the convolutions. Default 64, 128, 256, 512, as published.
        negative_slope: of the leaky ReLU. Default 0.2, as published.

    Raises:
        ValueError: height or width is not divided by the strides; (when run) the frames are not
            those that it was built for, or batch norm gets a single value.
    """

    def __init__(self, num_frames: int, channels: int = 1,
                 size: Union[int, Tuple[int, int]] = 128,
                 widths: Sequence[int] = (64, 128, 256, 512),
                 negative_slope: float = 0.2) -> None:
        super().__init__()
        height, width = (size, size) if isinstance(size, int) else size
        stride = 2 ** len(widths)
        if min(height, width) < stride or height % stride or width % stride:
            raise ValueError(f'the discriminator halves {height}x{width} frames {len(widths)} '
                             f'times: both sides must be multiples of {stride}')
        self.shape = (num_frames, channels, height, width)
        stages: List[nn.Module] = []
        before = num_frames * channels
        for stage, after in enumerate(widths):
            stages.append(nn.Conv2d(before, after, 5, stride=2, padding=2))
            if stage:
                stages.append(nn.BatchNorm2d(after, track_running_stats=False))
            stages.append(nn.LeakyReLU(negative_slope))
            before = after
        self.features = nn.Sequential(*stages)
        self.places = height // stride * (width // stride)
        self.classify = nn.Linear(before * self.places, 1)
        self._initialise()

    def forward(self, inputs: Tensor, *outputs: Tensor) -> Tuple[Tensor, ...]:
        """Judge several continuations of the same inputs.

        All in one call, so that a distributed wrapper sees one forward pass; each in a pass of its
        own, so that batch norm does not mix the true with the predicted.

        Args:
            inputs: ``(N, T_in, C, H, W)`` in [0, 1].
            outputs: one or more of ``(N, T_out, C, H, W)``, with T_in + T_out = ``num_frames``.

        Returns:
            For each of ``outputs`` the logits ``(N,)``; positive: a true continuation.
        """
        return tuple(self._judge(torch.cat([inputs, continuation.to(inputs.dtype)], dim=1))
                     for continuation in outputs)

    def _judge(self, frames: Tensor) -> Tensor:
        self._check(frames)
        maps = self.features(2 * frames.flatten(1, 2) - 1)
        return self.classify(maps.flatten(1)).squeeze(1)

    def _check(self, frames: Tensor) -> None:
        if tuple(frames.shape[1:]) != self.shape:
            num_frames, channels, height, width = frames.shape[1:]
            raise ValueError(
                f'the discriminator was built for sequences of (T, C, H, W) = {self.shape}, but '
                f'got {tuple(frames.shape[1:])}: set its num_frames={num_frames}, '
                f'channels={channels}, size=({height}, {width})')
        if len(frames) * self.places < 2:
            raise ValueError('the discriminator has one place left for one sequence, so batch norm '
                             'has nothing to compare: use batch_size 2 or more, or larger frames')

    def _initialise(self) -> None:
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.classify.weight, std=0.02)
        nn.init.zeros_(self.classify.bias)
