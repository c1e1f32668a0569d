"""Batches of sequences of unequal lengths."""
from typing import Any, Optional, Sequence, Union

import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from torch import Tensor

from ..registry import MODELS
from .views import one_sequence


@MODELS.register_module()
class SequencePreprocessor(ActionDataPreprocessor):
    """Pads the time axis, keeps the lengths, and normalises clip by clip.

    Frames stay uint8 in the batch (a quarter of the memory); the recognizer calls
    :meth:`normalize` on the clip it is about to forward. ``stack_batch`` of MMEngine, which the
    stock preprocessor uses, never pads the first dimension.

    Args:
        mean, std: per channel, both or neither.
        to_rgb: reverse the first three channels. Default False.

    Raises:
        ValueError: only one of mean and std is given, or blending is asked for (mixing two videos
            has no meaning for clips of unequal lengths); or a video arrives as several crops or
            clips, see :func:`~cbm_plugin.recognition.views.one_sequence`.
    """

    def __init__(self, mean: Optional[Sequence[float]] = None,
                 std: Optional[Sequence[float]] = None, to_rgb: bool = False,
                 **options: Any) -> None:
        if (mean is None) != (std is None):
            raise ValueError(f'mean={mean} and std={std}: give both or neither')
        if options.pop('blending', None) is not None:
            raise ValueError('SequencePreprocessor does not blend videos, since their lengths '
                             'differ: remove `blending`')
        options.pop('format_shape', None)  # sequences are always (T, C, H, W)
        super().__init__(mean, std, to_rgb, format_shape='NCHW', **options)

    def forward(self, data: dict, training: bool = False) -> dict:
        """A list of samples -> ``inputs (N, T, C, H, W)``, ``lengths (N,)``, ``data_samples``.

        Args:
            data: its ``inputs`` are N tensors ``(T_i, C, H, W)``, or ``(1, C, T_i, H, W)`` as 3D
                recognizers have them.
            training: the batch is trained on. Default False.
        """
        data = self.cast_data(data)
        samples = data.get('data_samples') or [None] * len(data['inputs'])
        inputs = [one_sequence(frames, sample) for frames, sample in zip(data['inputs'], samples)]
        self._check(inputs)
        lengths = torch.tensor([len(frames) for frames in inputs])
        batch = inputs[0].new_zeros(len(inputs), int(lengths.max()), *inputs[0].shape[1:])
        for row, frames in zip(batch, inputs):
            row[:len(frames)] = frames
        return dict(inputs=batch, data_samples=data.get('data_samples'), lengths=lengths)

    def normalize(self, frames: Tensor) -> Tensor:
        """``(M, C, H, W)`` uint8 -> float32, channels in order, mean 0 and std 1 as configured."""
        if self.to_rgb:
            order = [2, 1, 0, *range(3, frames.shape[1])]
            frames = frames[:, order]
        frames = frames.float()
        if self._enable_normalize:
            if self.mean.shape[0] != frames.shape[1]:
                raise ValueError(f'mean and std have {self.mean.shape[0]} channels, the frames '
                                 f'have {frames.shape[1]}: set data_preprocessor.mean and std')
            frames = (frames - self.mean) / self.std
        return frames

    @staticmethod
    def _check(inputs: Sequence[Union[Tensor, Any]]) -> None:
        for frames in inputs:
            if frames.ndim != 4 or frames.shape[1:] != inputs[0].shape[1:]:
                raise ValueError(
                    f'a batch needs sequences (T, C, H, W) of one size, got '
                    f'{[tuple(f.shape) for f in inputs]}: resize and crop to one size, and end the '
                    "pipeline with dict(type='FormatShape', input_format='NCHW')")
