"""Structural similarity of frames, as scikit-image computes it, for many frames at once.

Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP
2004, equation 13, with K1 = 0.01 and K2 = 0.03.
"""
import math
from typing import Dict, List, NamedTuple, Tuple

import torch
from torch import Tensor

from .scratch import scratch


class Window(NamedTuple):
    """Where a pixel's statistics are taken.

    Args:
        weights: along each side.
        unbias: what variances are multiplied by.
    """
    weights: Tuple[float, ...]
    unbias: float


def _gaussian(size: int, sigma: float) -> Tuple[float, ...]:
    values = [math.exp(-(i - size // 2) ** 2 / (2 * sigma ** 2)) for i in range(size)]
    return tuple(value / sum(values) for value in values)


WINDOWS: Dict[str, Window] = dict(
    uniform=Window((1., ) * 7, 49 / 48),
    gaussian=Window(_gaussian(11, 1.5), 1.))
"""``uniform``: scikit-image's default, 7 x 7 and variances of a sample. ``gaussian``: that of the
paper, 11 x 11 with a deviation of 1.5 and variances of a population (scikit-image's
``gaussian_weights=True, sigma=1.5, use_sample_covariance=False``)."""

def values_at_once(device: torch.device) -> int:
    """How many pixels to work on at once: few enough on a CPU to stay in its cache."""
    return 10 * 128 ** 2 if device.type == 'cpu' else 1 << 22


@torch.no_grad()
def ssim(predictions: Tensor, targets: Tensor, window: str = 'uniform',
         data_range: float = 1.) -> Tensor:
    """Structural similarity of each frame.

    It is the mean over the channels, and over the pixels whose window lies in the frame.

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
    chunks = -(-predictions.numel() // values_at_once(predictions.device))
    at_once = -(-predictions.shape[:3].numel() // chunks)  # all chunks alike
    pairs = [frames.to(dtype).reshape(-1, pixels).split(at_once)
             for frames in (predictions, targets)]
    work = scratch(12 * len(pairs[0][0]) * pixels, dtype, predictions.device)
    values: List[Tensor] = []
    for x, y in zip(*pairs):
        number = x.numel()
        similarity = _similarity(x.reshape(-1), y.reshape(-1),
                                 work[:12 * number].view(3, 4, number), width, kind, data_range)
        values.append(similarity.view(-1, height, width)[:, :1 - size, :1 - size].mean((1, 2)))
    return torch.cat(values).view(predictions.shape[:3]).mean(2)


def _similarity(x: Tensor, y: Tensor, work: Tensor, width: int, window: Window,
                data_range: float) -> Tensor:
    """Equation 13 of the window that starts at each pixel, meaningless where it leaves its frame.

    Written with the sum s = x + y and the difference d = x - y of the frames, since float32 is
    enough for their variances, and with sums over the window instead of means. With V for n times
    the window's sum of squares less the square of its sum, n being the sum of the weights, it is

        (sum(s)^2 - sum(d)^2 + c1) (V(s) - V(d) + c2)
        ---------------------------------------------
        (sum(s)^2 + sum(d)^2 + c1) (V(s) + V(d) + c2)

    where s is centred for V. All is done within ``work``, on as many maps at once as possible:
    fresh memory and calls take longer than the arithmetic.

    Args:
        x: frames in one row, one after the other. So a window is a sum of shifted rows.
        y: likewise.
        work: ``(3, 4, n)``, for rows of length n. The result lies in its first row.
        width: of a frame.
    """
    n = sum(window.weights) ** 2
    c1 = 2 * (0.01 * data_range * n) ** 2
    c2 = 2 * (0.03 * data_range * n) ** 2 / window.unbias
    maps, free, other = work
    torch.add(x, y, out=maps[0]).sub_(data_range)
    torch.sub(x, y, out=maps[1])
    torch.mul(maps[:2], maps[:2], out=maps[2:])
    down = _window_sums(maps, free, other, window.weights, width)
    sums = _window_sums(down, free, maps, window.weights, 1)
    length = sums.shape[1]
    free, other = free[:, :length], other[:, :length]
    squares = torch.mul(sums[:2], sums[:2], out=free[:2])
    variances = torch.sub(squares, sums[2:], alpha=n, out=other[2:])  # -V
    sums[0].add_(n * data_range)
    torch.mul(sums[0], sums[0], out=squares[0])
    squares[0].add_(c1)
    variances[0].sub_(c2)
    for combine, place in ((torch.sub, 0), (torch.add, 1)):
        combine(squares[0], squares[1], out=free[2 + place])
        combine(variances[0], variances[1], out=other[place])
    above, below = torch.mul(free[2:], other[:2], out=maps[:2, :length])
    torch.div(above, below, out=maps[0, :length])
    return maps[0]


def _window_sums(rows: Tensor, free: Tensor, out: Tensor, weights: Tuple[float, ...],
                 step: int) -> Tensor:
    """Weighted sums of the places 0, ``step``, 2 ``step``, ... after each; without the last ones.

    Args:
        rows: ``(4, n)``.
        free: for intermediate results; at least as long, as is ``out``.
        out: where the sums are written.
    """
    length = rows.shape[1] - (len(weights) - 1) * step

    def shifted(sums: Tensor, places: int) -> Tensor:
        return sums[:, places * step:places * step + length]

    if weights == WINDOWS['uniform'].weights:  # of pairs, and pairs of pairs: 4 additions, not 6
        pairs = torch.add(rows[:, :-step], rows[:, step:], out=free[:, :rows.shape[1] - step])
        total = torch.add(shifted(pairs, 0), shifted(pairs, 2), out=out[:, :length])
        return total.add_(shifted(pairs, 4)).add_(shifted(rows, 6))
    total = torch.mul(shifted(rows, 0), weights[0], out=out[:, :length])
    for place, weight in enumerate(weights[1:], 1):
        total.add_(shifted(rows, place), alpha=weight)
    return total
