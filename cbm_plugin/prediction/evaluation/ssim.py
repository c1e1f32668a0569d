"""Structural similarity of frames, as scikit-image computes it, for many frames at once.

Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP
2004, equation 13, with K1 = 0.01 and K2 = 0.03.
"""
import math
from typing import Dict, List, NamedTuple, Tuple

import torch
from torch import Tensor


class Window(NamedTuple):
    """Where a pixel's statistics are taken.

    Args:
        weights: along each side, with the sum 1.
        unbias: what variances are multiplied by.
    """
    weights: Tuple[float, ...]
    unbias: float


def _gaussian(size: int, sigma: float) -> Tuple[float, ...]:
    values = [math.exp(-(i - size // 2) ** 2 / (2 * sigma ** 2)) for i in range(size)]
    return tuple(value / sum(values) for value in values)


WINDOWS: Dict[str, Window] = dict(
    uniform=Window((1 / 7, ) * 7, 49 / 48),
    gaussian=Window(_gaussian(11, 1.5), 1.))
"""``uniform``: scikit-image's default, 7 x 7 and variances of a sample. ``gaussian``: that of the
paper, 11 x 11 with a deviation of 1.5 and variances of a population (scikit-image's
``gaussian_weights=True, sigma=1.5, use_sample_covariance=False``)."""

CHUNK = 1 << 16, 1 << 24
"""Pixels that are worked on at once on a CPU (so that they stay in its cache) and elsewhere."""


def ssim(predictions: Tensor, targets: Tensor, window: str = 'uniform',
         data_range: float = 1.) -> Tensor:
    """Structural similarity of each frame: mean over channels, and over the pixels whose window
    lies in the frame.

    Args:
        predictions: ``(N, T, C, H, W)``, values spanning ``data_range``.
        targets: likewise.
        window: a key of :data:`WINDOWS`. Default ``'uniform'``.
        data_range: span of the values. Default 1. With a larger one than they have, the result is
            nearer to 1: scikit-image takes 2 for floats where nothing is said.

    Returns:
        ``(N, T)``, float32, or float64 where the frames are.

    Raises:
        ValueError: the window is unknown, or larger than the frames.
    """
    if window not in WINDOWS:
        raise ValueError(f"window '{window}' is unknown: use one of {sorted(WINDOWS)}")
    kind, (height, width) = WINDOWS[window], predictions.shape[-2:]
    size = len(kind.weights)
    if min(height, width) < size:
        raise ValueError(f'frames of {height}x{width} are smaller than the {size}x{size} window of '
                         f'SSIM: take frames of at least {size}x{size}, or leave SSIM out')
    dtype = torch.promote_types(predictions.dtype, torch.float32)
    pixels = height * width
    at_once = max(1, CHUNK[predictions.device.type != 'cpu'] // pixels)
    pairs = [frames.reshape(-1, pixels).split(at_once) for frames in (predictions, targets)]
    work = torch.empty(6, len(pairs[0][0]) * pixels, dtype=dtype, device=predictions.device)
    values: List[Tensor] = []
    for x, y in zip(*pairs):
        similarity = _similarity(x.reshape(-1).to(dtype), y.reshape(-1).to(dtype),
                                 work[:, :x.numel()], width, kind, data_range)
        values.append(similarity.view(-1, height, width)[:, :1 - size, :1 - size].mean((1, 2)))
    return torch.cat(values).view(predictions.shape[:3]).mean(2)


def _similarity(x: Tensor, y: Tensor, work: Tensor, width: int, window: Window,
                data_range: float) -> Tensor:
    """Equation 13 of the window that starts at each pixel, meaningless where it leaves its frame.

    Written with sum and difference of the frames, s = x + y and d = x - y, since float32 suffices
    for their variances: 4 cov = var s - var d, 2 (var x + var y) = var s + var d, and so for the
    means. Sums are centred at ``data_range``. All is done within ``work``: fresh memory for each
    intermediate result takes longer than the arithmetic.

    Args:
        x: frames in one row, one after the other. So a window is a sum of shifted rows.
        y: likewise.
        work: 6 rows of the same length.
        width: of a frame.
    """
    s, d, ss, dd, free, other = work
    torch.add(x, y, out=s).sub_(data_range)
    torch.sub(x, y, out=d)
    torch.mul(s, s, out=ss)
    torch.mul(d, d, out=dd)
    for row in (s, d, ss, dd):
        _weighted_sum(_weighted_sum(row, free, window.weights, width), row, window.weights, 1)
    for square, mean in ((ss, s), (dd, d)):
        square.addcmul_(mean, mean, value=-1).mul_(window.unbias)
    s.add_(data_range)
    for mean in (s, d):
        mean.mul_(mean)
    c1, c2 = 2 * (0.01 * data_range) ** 2, 2 * (0.03 * data_range) ** 2
    torch.sub(s, d, out=free).add_(c1)
    torch.sub(ss, dd, out=other).add_(c2)
    return free.mul_(other).div_(s.add_(d).add_(c1)).div_(ss.add_(dd).add_(c2))


def _weighted_sum(row: Tensor, out: Tensor, weights: Tuple[float, ...], step: int) -> Tensor:
    """Of the places 0, ``step``, 2 ``step``, ... after each; without the last ones."""
    length = len(row) - (len(weights) - 1) * step
    total = torch.mul(row[:length], weights[0], out=out[:length])
    for place, weight in enumerate(weights[1:], 1):
        total.add_(row[place * step:place * step + length], alpha=weight)
    return total
