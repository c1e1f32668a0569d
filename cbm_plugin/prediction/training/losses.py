"""Losses between predicted and true frames, both in [0, 1].

Each is a mean over all its elements, so that neither the number of predicted frames nor the size of
the batch changes its scale. The published total of MCnet with a CBM core is, in these units::

    losses = [dict(type='FrameMSELoss', weight=4), dict(type='GradientDifferenceLoss')]

plus 0.02 times the adversarial loss of :class:`.adversarial.AdversarialPredictor`: its squared
error is taken between frames in [-1, 1], where differences are twice and their squares four times
as large, its gradient difference between frames in [0, 1].
"""
from abc import ABC, abstractmethod
from typing import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS


class FrameLoss(nn.Module, ABC):
    """A weighted loss between predicted and true frames.

    Args:
        weight: factor of the loss, in what is minimised and in what is logged. Default 1.

    Raises:
        ValueError: the weight is negative.
    """

    log_name: str
    """The name that the loss is logged under."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        if not weight >= 0:
            raise ValueError(f'{type(self).__name__}: weight must be at least 0, got {weight}: '
                             'leave the loss out to do without it')
        self.weight = weight

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            prediction: ``(N, T, C, H, W)`` frames in [0, 1], of any floating type.
            target: the true frames, of the same shape; the loss is computed in their type, also
                where mixed precision made the prediction.

        Returns:
            A scalar.

        Raises:
            ValueError: the shapes differ.
        """
        if prediction.shape != target.shape:
            raise ValueError(f'{type(self).__name__}: the predicted frames are '
                             f'{tuple(prediction.shape)}, the true ones {tuple(target.shape)}: '
                             'both must have one shape (N, T, C, H, W)')
        return self.weight * self._distance(prediction.to(target.dtype), target)

    @abstractmethod
    def _distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss without its weight."""

    def extra_repr(self) -> str:
        """The weight, in the printed model."""
        return f'weight={self.weight}'


@MODELS.register_module()
class FrameMSELoss(FrameLoss):
    """Mean squared error. Weight 4 makes it that between frames in [-1, 1]."""

    log_name = 'loss_mse'

    def _distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(prediction, target)


@MODELS.register_module()
class FrameL1Loss(FrameLoss):
    """Mean absolute error. Weight 2 makes it that between frames in [-1, 1]."""

    log_name = 'loss_l1'

    def _distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(prediction, target)


@MODELS.register_module()
class GradientDifferenceLoss(FrameLoss):
    r"""Gradient difference loss (Mathieu et al. 2016, equation 6), against blurred predictions.

    .. math:: \operatorname{mean}\left(
        \big| |\partial_x \hat y| - |\partial_x y| \big|^\alpha
        + \big| |\partial_y \hat y| - |\partial_y y| \big|^\alpha \right)

    Differences are forward, :math:`\partial_x y_{ij} = y_{i,j+1} - y_{ij}`, with zeros beyond the
    right and the bottom border, as in the code that MCnet was published with: in the last column
    and row the absolute values of the pixels are compared.

    Args:
        weight: see :class:`FrameLoss`.
        alpha: exponent, at least 1. Default 1, as published.

    Raises:
        ValueError: alpha is below 1, where the gradient is infinite at equal frames.
    """

    log_name = 'loss_gdl'

    def __init__(self, weight: float = 1.0, alpha: float = 1.0) -> None:
        super().__init__(weight)
        if not alpha >= 1:
            raise ValueError(f'GradientDifferenceLoss: alpha must be at least 1, got {alpha}: '
                             'below, the gradient is infinite where prediction and truth agree')
        self.alpha = alpha

    def _distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (self._apart(_slope_x, prediction, target)
                + self._apart(_slope_y, prediction, target)).mean()

    def _apart(self, slope: Callable[[Tensor], Tensor], prediction: Tensor,
               target: Tensor) -> Tensor:
        apart = (slope(prediction) - slope(target)).abs()
        return apart if self.alpha == 1 else apart ** self.alpha

    def extra_repr(self) -> str:
        """Weight and exponent, in the printed model."""
        return f'weight={self.weight}, alpha={self.alpha}'


def _slope_x(frames: Tensor) -> Tensor:
    return F.pad(frames, (-1, 1)).sub(frames).abs()


def _slope_y(frames: Tensor) -> Tensor:
    return F.pad(frames, (0, 0, -1, 1)).sub(frames).abs()
