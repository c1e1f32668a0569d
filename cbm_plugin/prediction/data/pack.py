"""The last transforms of a sequence of frames: clips to train on, and the pack."""
from typing import List

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from ...overlap.transforms import SamplePlan
from ...registry import TRANSFORMS
from .data_sample import METAINFO, PredictionDataSample


@TRANSFORMS.register_module()
class SampleFrameClips(SamplePlan):
    """:class:`~cbm_plugin.overlap.transforms.SamplePlan` over frames, as the overlap scheme asks.

    Position t sees frame t and predicts frame t + 1, so T frames have T - 1 positions.

    Required key: ``imgs``. Added: ``clip_plan`` (a :class:`~cbm_plugin.overlap.plan.ClipPlan`).

    Raises:
        ValueError: the options contradict each other (at once), or there are fewer than 2 frames.
    """

    def positions(self, results: dict) -> int:
        """T - 1."""
        if len(results['imgs']) < 2:
            raise ValueError(f'{_name(results)} has {len(results["imgs"])} frames, but clips of '
                             'predictions need at least 2')
        return len(results['imgs']) - 1


@TRANSFORMS.register_module()
class PackFrames(BaseTransform):
    """The frames as ``inputs`` (uint8 ``(T, C, H, W)``), the rest as a ``PredictionDataSample``.

    Required keys: ``imgs`` (T uint8 arrays ``(H, W, C)`` with C = 1 or 3, or ``(H, W)``, of one
    shape) and ``num_inputs``. Where present: ``num_outputs`` (default: the frames after the
    inputs), ``name``, ``start`` and ``clip_plan``.

    Raises:
        ValueError: the frames are not uint8, differ in shape or are no images; or the sequence is
            shorter than ``num_inputs``, or neither ends there nor holds ``num_outputs`` more.
    """

    def transform(self, results: dict) -> dict:
        """``inputs`` and ``data_samples``, and nothing else."""
        frames = _checked_frames(results)
        meta = {key: results.get(key, default) for key, default in METAINFO.items()}
        meta.update(name=_name(results), **_checked_numbers(results, len(frames)))
        sample = PredictionDataSample(metainfo=meta)
        if results.get('clip_plan') is not None:
            sample.clip_plan = results['clip_plan']
        stacked = np.stack(frames).transpose(0, 3, 1, 2)
        return dict(inputs=torch.from_numpy(np.ascontiguousarray(stacked)), data_samples=sample)


def _name(results: dict) -> str:
    return str(results.get('name', results.get('sample_idx', 'the sequence')))


def _checked_frames(results: dict) -> List[np.ndarray]:
    """All as ``(H, W, C)``: OpenCV's transforms leave out the channel of grey frames."""
    frames = [np.asarray(frame) for frame in results['imgs']]
    kinds = sorted({str(frame.dtype) for frame in frames})
    if kinds != ['uint8']:
        raise ValueError(f'{_name(results)}: frames must be uint8 in 0..255, but there are '
                         f'{kinds or "none"}: leave out transforms such as Normalize, since the '
                         'preprocessor of the model scales frames')
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) != 1:
        raise ValueError(f'{_name(results)}: frames of one sequence must have one shape, but have '
                         f'{shapes}: resize them, and crop all in one place')
    frames = [frame[..., None] if frame.ndim == 2 else frame for frame in frames]
    if frames[0].ndim != 3 or frames[0].shape[2] not in (1, 3):
        raise ValueError(f'{_name(results)}: a frame must be (H, W, 1) or (H, W, 3), but has the '
                         f'shape {shapes[0]}')
    return frames


def _checked_numbers(results: dict, num_frames: int) -> dict:
    num_inputs = int(results['num_inputs'])
    if not 1 <= num_inputs <= num_frames:
        raise ValueError(f'{_name(results)} has {num_frames} frames, but num_inputs={num_inputs} '
                         f'of them are to be seen: give num_inputs in 1..{num_frames}')
    known = num_frames - num_inputs
    num_outputs = int(results.get('num_outputs', known))
    if num_outputs < 1 or known not in (0, num_outputs):
        raise ValueError(
            f'{_name(results)} has {num_frames} frames, which is not num_inputs={num_inputs} and '
            f'num_outputs={num_outputs}: give {num_inputs} frames (nothing known of the future), '
            'or as many more as there are to predict, at least 1')
    return dict(num_inputs=num_inputs, num_outputs=num_outputs)
