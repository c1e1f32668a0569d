"""Metrics of predicted frames against scikit-image, a frame at a time."""
from argparse import Namespace
from functools import partial
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np
import torch

from cbm_plugin.engine.user_errors import fail
from cbm_plugin.prediction.evaluation.metric import FramePredictionMetric

from .rows import Goal, Row, in_turns, ratio_row

Reference = Callable[[str, np.ndarray, np.ndarray], float]
"""A metric's name, prediction and truth ``(C, H, W)`` float32 -> its value."""

FIVE_TIMES = Goal(5.)
CLOSE = 1e-4
METRICS = ('mse_per_frame', 'mae_per_frame', 'psnr', 'ssim')  # FramePredictionMetric's default
SHAPES = {'64x64 grey': (1, 64, 64), '128x128 grey': (1, 128, 128), '64x64 RGB': (3, 64, 64)}
BATCH = 16  # sequences, as the configs test


def scikit_image() -> Reference:
    """Its metrics, as papers call them; the absolute error, which it has not, by NumPy.

    Raises:
        ImportError: it is not installed.
    """
    from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

    def value(name: str, prediction: np.ndarray, truth: np.ndarray) -> float:
        if name == 'mse_per_frame':
            return mean_squared_error(truth, prediction) * truth.size
        if name == 'mae_per_frame':
            return np.abs(truth - prediction).sum()
        if name == 'psnr':
            return peak_signal_noise_ratio(truth, prediction, data_range=1)
        if len(truth) == 1:
            return structural_similarity(truth[0], prediction[0], data_range=1)
        return structural_similarity(truth, prediction, data_range=1, channel_axis=0)

    return value


class Sequences:
    """Predictions that are the truth with noise, as a test's batches hold them.

    Args:
        number: of sequences.
        steps: predicted frames of each.
        shape: of a frame, ``(C, H, W)``.
    """

    def __init__(self, number: int, steps: int, shape: Tuple[int, int, int]) -> None:
        generator = torch.Generator().manual_seed(0)
        truth = torch.rand(number, steps, *shape, generator=generator)
        noise = 0.2 * torch.randn(truth.shape, generator=generator)
        self.predictions, self.truth = (truth + noise).clamp_(0, 1), truth
        samples = [dict(name=str(i), num_inputs=10, pred_frames=predicted, target_frames=true)
                   for i, (predicted, true) in enumerate(zip(self.predictions, self.truth))]
        self.batches = [samples[i:i + BATCH] for i in range(0, number, BATCH)]

    def by_metric(self, metrics: Sequence[str]) -> np.ndarray:
        """``(N, metrics, T)``, by the metric that tests use, with its checks."""
        metric = FramePredictionMetric(metrics)
        for batch in self.batches:
            metric.process(None, batch)
        return np.stack([result['values'] for result in metric.results])

    def by_frame(self, reference: Reference, metrics: Sequence[str]) -> np.ndarray:
        """``(N, metrics, T)``, each number by itself."""
        pairs = list(zip(self.predictions.numpy(), self.truth.numpy()))
        return np.array([[[reference(name, *frames) for frames in zip(*pair)] for name in metrics]
                         for pair in pairs])


def check_equal(ours: np.ndarray, theirs: np.ndarray, metrics: Sequence[str]) -> None:
    """See that both sides compute the same, to 1e-4; of values above 1, to 1e-4 of themselves.

    Raises:
        SystemExit: they do not.
    """
    off = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
    for name, own in zip(metrics, off.transpose(1, 0, 2)):
        if not own.max() <= CLOSE:
            fail(f'{name} differs from the reference by {own.max():.2g}: the comparison means '
                 'nothing')


def metrics_part(args: Namespace, reference_of: Callable[[], Reference] = scikit_image
                 ) -> List[Row]:
    """All default metrics together, and of frames of 64x64 each alone."""
    reference = reference_of()
    rows: List[Row] = []
    for words, shape in SHAPES.items():
        sequences = Sequences(args.sequences, args.frames - args.inputs, shape)
        parts: Dict[str, Sequence[str]] = {', '.join(METRICS): METRICS}
        if words == '64x64 grey':
            parts.update({name: (name, ) for name in METRICS})
        for number, (names, metrics) in enumerate(parts.items()):
            ours, theirs = (partial(sequences.by_metric, metrics),
                            partial(sequences.by_frame, reference, metrics))
            check_equal(ours(), theirs(), metrics)  # and warm up
            seconds = in_turns(dict(theirs=theirs, ours=ours), args.rounds)
            what = f'{names} of {args.sequences} sequences, {words}: scikit-image / ours'
            rows.append(ratio_row(what, seconds['theirs'], seconds['ours'],
                                  goal=None if number else FIVE_TIMES))
    return rows
