"""How good predicted frames are after 1, 2, ... steps, by metrics that are named."""
import json
import math
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from ...files import write_text
from ...registry import METRICS
from . import frame_metrics
from .lpips import alexnet, lpips
from .ssim import ssim, values_at_once

FrameMetric = Callable[[Tensor, Tensor], Tensor]

NO_FRAMES = """\
{} has no '{}', without which nothing can be compared: test a VideoPredictor on sequences that are
longer than num_inputs, or take FramePredictionMetric out of the evaluator"""

CAPPED = f'at most {frame_metrics.PSNR_OF_EQUAL_FRAMES:g} dB, which is what equal frames count'


class Definition(NamedTuple):
    """A metric of frames.

    Args:
        function: predictions and truth ``(N, T, C, H, W)`` in [0, 1] -> ``(N, T)``.
        words: what it is, for logs and files.
    """
    function: FrameMetric
    words: str


DEFINITIONS: Dict[str, Definition] = dict(
    mse=Definition(frame_metrics.mse, 'squared error, mean over pixels and channels'),
    mse_per_frame=Definition(
        frame_metrics.mse_per_frame, 'squared error, sum over pixels and channels of a frame'),
    mae=Definition(frame_metrics.mae, 'absolute error, mean over pixels and channels'),
    mae_per_frame=Definition(
        frame_metrics.mae_per_frame, 'absolute error, sum over pixels and channels of a frame'),
    psnr=Definition(
        frame_metrics.psnr, 'dB of each frame, data range 1, no quantisation, then the mean of the '
        f'dB; {CAPPED}'),
    psnr_truncated_uint8=Definition(
        frame_metrics.psnr_truncated_uint8, 'dB of each frame after truncation to 0..255, then the '
        f'mean of the dB; {CAPPED}; for comparison with published numbers only'),
    psnr_wrapped_uint8=Definition(
        frame_metrics.psnr_wrapped_uint8, 'dB of differences that wrap around in uint8, hardly '
        'ever below 28; for comparison with published numbers only'),
    ssim=Definition(
        ssim, "scikit-image's structural_similarity: 7x7 uniform window, sample covariance, "
        'data_range 1, mean over channels'),
    ssim_gaussian=Definition(
        lambda predictions, targets: ssim(predictions, targets, 'gaussian'),
        'structural similarity by an 11x11 Gaussian window of deviation 1.5, data range 1, mean '
        'over channels'),
    ssim_range2=Definition(
        lambda predictions, targets: ssim(predictions, targets, data_range=2.),
        'as ssim, but with data_range 2, which inflates it; for comparison with published numbers '
        'only'),
    lpips=Definition(
        lpips, 'distance by the AlexNet of the package lpips, grey repeated to three channels; '
        'lower is better'),
)
"""All metrics by name. ``ssim_range2`` is that of code that calls scikit-image on floats without
data_range (OpenSTL's tables on Moving MNIST)."""


@METRICS.register_module()
class FramePredictionMetric(BaseMetric):
    """Metrics of predicted frames, for each time step and their mean over the steps.

    Values are the means over sequences: ``psnr`` (of all steps), and ``psnr_T1``, ``psnr_T10``,
    ``psnr_T20`` of those steps as far as predictions go. The protocol, with the definition of each
    metric, goes to the log, and with all steps to ``out_file``.

    No frames are kept: of each sequence, one number for each metric and step. They are not added
    up earlier because several processes may test some sequences twice to get equally many each,
    and those have to be left out. So are sequences that could not be read, which testing shows
    black (a black truth is easy to predict); the protocol says how many.

    Args:
        metrics: names in :data:`DEFINITIONS`. Default ``('mse_per_frame', 'mae_per_frame', 'psnr',
            'ssim')``, what is usually compared.
        out_file: json file: ``protocol``, ``sequences``, ``num_inputs``, ``metrics`` (a list over
            the steps for each) and ``means``. Default None: none.
        options: ``collect_device`` and ``prefix`` of MMEngine's ``BaseMetric``.

    Raises:
        ImportError: ``lpips`` is asked for but not installed.
        ValueError: an option is unknown; (when run) predictions or truth are missing, not finite
            or outside [0, 1], or sequences differ in the number of inputs or of predicted frames.
    """

    default_prefix = 'prediction'
    scalar_steps = (1, 10, 20)

    def __init__(self, metrics: Sequence[str] = ('mse_per_frame', 'mae_per_frame', 'psnr', 'ssim'),
                 out_file: Optional[str] = None, **options: Any) -> None:
        super().__init__(**options)
        metrics = (metrics, ) if isinstance(metrics, str) else tuple(metrics)
        unknown = sorted(set(metrics) - set(DEFINITIONS))
        if unknown or not metrics:
            raise ValueError(f'metrics are {list(metrics)}, but must be one or more of '
                             f'{list(DEFINITIONS)}')
        if out_file is not None and not str(out_file).endswith('.json'):
            raise ValueError(f'out_file is {out_file}, but must end with .json')
        if 'lpips' in metrics:
            alexnet()  # what is not installed is said before anything is tested
        self.functions = {name: DEFINITIONS[name].function for name in metrics}
        self.out_file = out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Compare the frames of a batch; what is kept are the values ``(metrics, T)`` of each."""
        entries = [dict(name=sample.get('name'), num_inputs=int(sample['num_inputs']),
                        steps=_checked_steps(sample), unread=bool(sample.get('faults')))
                   for sample in data_samples]
        check_alike([*self.results[:1], *entries])
        frames = data_samples[0]['pred_frames']
        at_once = max(1, values_at_once(frames.device) // frames.numel())
        for start in range(0, len(entries), at_once):
            group = data_samples[start:start + at_once]
            values = self.compare(*(torch.stack([sample[key] for sample in group])
                                    for key in ('pred_frames', 'target_frames')))
            for entry, own in zip(entries[start:], values.transpose(0, 1).cpu().numpy()):
                self.results.append(dict(entry, values=own))

    @torch.no_grad()
    def compare(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """``(N, T, C, H, W)`` each -> ``(metrics, N, T)``."""
        return torch.stack([function(predictions, targets)
                            for function in self.functions.values()])

    def compute_metrics(self, results: List[dict]) -> Dict[str, float]:
        """Means over all sequences, logged with their protocol."""
        check_alike(results)
        results, all_results = [one for one in results if not one['unread']], results
        if not results:
            raise ValueError(f'none of {len(all_results)} sequences could be read: the log says '
                             'why, if SampleFaultHook is among the hooks')
        means = np.mean([result['values'] for result in results], 0, dtype=np.float64)
        curves = {name: curve.tolist() for name, curve in zip(self.functions, means)}
        overall = {name: float(np.mean(curve)) for name, curve in curves.items()}
        protocol = self.protocol(results, len(all_results) - len(results))
        print_log(protocol, logger='current')
        if self.out_file is not None:
            content = dict(protocol=protocol, sequences=len(results),
                           num_inputs=results[0]['num_inputs'], metrics=curves, means=overall)
            write_text(Path(self.out_file), json.dumps(content, indent=1) + '\n')
        values = dict(overall)
        for step in self.scalar_steps:
            if step <= results[0]['steps']:
                values.update({f'{name}_T{step}': curve[step - 1]
                               for name, curve in curves.items()})
        return values

    def protocol(self, results: List[dict], unread: int) -> str:
        """What the numbers mean, in words."""
        left_out = f' ({unread} more could not be read and are left out)' * bool(unread)
        first = results[0]
        definitions = '; '.join(f'{name}: {DEFINITIONS[name].words}' for name in self.functions)
        return (f"{first['steps']} frames predicted from {first['num_inputs']}, {len(results)} "
                f'sequences{left_out}, values in [0, 1]; mean over sequences for each step, and '
                f'mean over steps. {definitions}.')


def _checked_steps(sample: dict) -> int:
    """How many frames were predicted; see that they can be compared."""
    name = sample.get('name')
    for key in ('pred_frames', 'target_frames'):
        frames = sample.get(key)
        if frames is None:
            raise ValueError(NO_FRAMES.format(name, key))
        low, high = (float(value) for value in torch.aminmax(frames))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"{name}: '{key}' contains NaN or infinity: the training has "
                             'diverged; test an earlier checkpoint, or train with a lower learning '
                             'rate or with gradients clipped')
        if low < 0 or high > 1:
            raise ValueError(f"{name}: '{key}' has values from {low:g} to {high:g}, but frames "
                             'must lie in [0, 1]: scale and clip them')
    if sample['pred_frames'].shape != sample['target_frames'].shape:
        raise ValueError(f"{name}: {tuple(sample['pred_frames'].shape)} was predicted, but the "
                         f"truth is {tuple(sample['target_frames'].shape)}: set num_outputs to the "
                         'number of true frames')
    return len(sample['pred_frames'])


def check_alike(entries: Sequence[dict]) -> None:
    """See that all sequences are of one protocol, or there is no mean for a step.

    Args:
        entries: with ``name``, ``num_inputs`` and ``steps`` each.

    Raises:
        ValueError: two differ.
    """
    first = entries[0]
    for entry in entries:
        if (entry['num_inputs'], entry['steps']) != (first['num_inputs'], first['steps']):
            raise ValueError(
                f"{entry['name']} has {entry['num_inputs']} inputs and {entry['steps']} predicted "
                f"frames, but {first['name']} has {first['num_inputs']} and {first['steps']}: "
                'test each number in a run of its own, with one num_inputs and num_outputs in '
                'test_dataloader.dataset')
