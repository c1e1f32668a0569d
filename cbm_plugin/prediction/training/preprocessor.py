"""Frames of a batch, brought together."""
from typing import Any, Dict, Sequence

import torch
from mmengine.model import BaseDataPreprocessor

from ...registry import MODELS


@MODELS.register_module()
class FramePreprocessor(BaseDataPreprocessor):
    """Stacks sequences of frames: uint8 ``(T, C, H, W)`` each -> float32 ``(N, T, C, H, W)``.

    Values are mapped from 0..255 to [0, 1].
    """

    def forward(self, data: Dict[str, Any], training: bool = False) -> Dict[str, Any]:
        """Stack ``data['inputs']``, on the model's device.

        Raises:
            TypeError: frames are not uint8.
            ValueError: two sequences differ in shape or in their number of inputs.
        """
        data = self.cast_data(data)
        inputs, samples = data['inputs'], data['data_samples']
        _check(inputs, samples)
        frames = torch.stack(list(inputs))
        return dict(inputs=frames.float().div_(255), data_samples=samples)


def _check(inputs: Sequence[torch.Tensor], samples: Sequence[Any]) -> None:
    for frames, sample in zip(inputs, samples):
        name = sample.metainfo.get('name')
        if frames.dtype != torch.uint8:
            raise TypeError(f'{name}: frames are {frames.dtype}, but must be uint8 in 0..255, as '
                            'PackFrames hands them on')
        if frames.shape != inputs[0].shape:
            raise ValueError(f'{name}: its frames are {tuple(frames.shape)}, those of '
                             f"{samples[0].metainfo.get('name')} in the same batch "
                             f'{tuple(inputs[0].shape)}: set one size and length in the data set, '
                             'or batch_size=1')
        if sample.num_inputs != samples[0].num_inputs:
            raise ValueError(f'{name} has {sample.num_inputs} inputs, '
                             f"{samples[0].metainfo.get('name')} in the same batch "
                             f'{samples[0].num_inputs}: set one num_inputs in the data set')
