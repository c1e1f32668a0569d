"""Errors of predicted frames, each by its definition: a value for every sequence and step.

All take predictions and truth ``(N, T, C, H, W)`` in [0, 1] and give ``(N, T)`` float32. Numbers
named alike in two papers often differ in definition; so the name here says which it is.
"""
import torch
from torch import Tensor

from .scratch import scratch

PSNR_OF_EQUAL_FRAMES = 100.
"""dB, the most that any PSNR here is. Equal frames have an infinite one, and so would every mean
that contains them. Frames of 8 bits that differ at all stay below it up to 392 x 392 pixels: one
pixel of n that is off by one level gives 48.1 + 10 log10(n) dB."""


def mse(predictions: Tensor, targets: Tensor) -> Tensor:
    """Squared error, mean over pixels and channels."""
    return _squared_error(predictions, targets).mean((2, 3, 4))


def mse_per_frame(predictions: Tensor, targets: Tensor) -> Tensor:
    """Squared error, sum over the pixels and channels of a frame: 'MSE' in Moving MNIST tables."""
    return _squared_error(predictions, targets).sum((2, 3, 4))


def mae(predictions: Tensor, targets: Tensor) -> Tensor:
    """Absolute error, mean over pixels and channels."""
    return _difference(predictions, targets).abs_().mean((2, 3, 4))


def mae_per_frame(predictions: Tensor, targets: Tensor) -> Tensor:
    """Absolute error, sum over the pixels and channels of a frame: 'MAE' in Moving MNIST tables."""
    return _difference(predictions, targets).abs_().sum((2, 3, 4))


def psnr(predictions: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each frame in dB, data range 1, nothing quantised.

    10 log10(1 / mse), at most :data:`PSNR_OF_EQUAL_FRAMES`. What is averaged later are the dB of
    frames, not their squared errors.
    """
    return _decibels(mse(predictions, targets))


def psnr_truncated_uint8(predictions: Tensor, targets: Tensor) -> Tensor:
    """PSNR of frames that are first cut to whole levels: floor(255 x), data range 255.

    MCnet's, and that of the published numbers on KTH. For comparison with those only: errors below
    a level count as none or as a whole one.
    """
    error = _levels(predictions).float() - _levels(targets).float()
    return _decibels((error / 255).square_().mean((2, 3, 4)))


def psnr_wrapped_uint8(predictions: Tensor, targets: Tensor) -> Tensor:
    """PSNR whose difference and square are taken in 8 bits, where both wrap around at 256.

    For comparison with tables of code that does so (SimVP's first releases) only. It is no measure
    of quality: differences drawn at random have 27.9 dB, none has less than 24.1, and frames half
    the range apart count as equal.
    """
    difference = _levels(predictions) - _levels(targets)
    return _decibels((difference * difference).float().mean((2, 3, 4)) / 255 ** 2)


@torch.no_grad()
def _difference(predictions: Tensor, targets: Tensor) -> Tensor:
    """Lies in memory that the next metric overwrites."""
    out = scratch(predictions.numel(), torch.float32, predictions.device)
    return torch.sub(predictions.float(), targets.float(), out=out.view(predictions.shape))


def _squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    return _difference(predictions, targets).square_()


def _levels(frames: Tensor) -> Tensor:
    """0..255; the fraction is cut off."""
    return (frames.float() * 255).to(torch.uint8)


def _decibels(error: Tensor) -> Tensor:
    return -10 * error.clamp_min(10 ** (-PSNR_OF_EQUAL_FRAMES / 10)).log10()
