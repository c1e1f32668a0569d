"""The context bridge R: what turns each frame into features, without recurrence."""
from typing import Callable, Optional

from torch import Tensor, nn

from .norm import (
    ACTIVATIONS,
    Norm,
    build_norm,
    check_activation,
    check_statistics,
    normalise_sequence,
)
from .recurrent import projection
from .sequence import per_frame


class Bridge(nn.Module):
    """``r_t = act(norm(R x_t))`` for each item of a sequence: the representation flow.

    Args:
        in_channels, out_channels: C of input and output.
        kernel_size: of the default unit, one convolution; None: one linear map, for vectors.
        stride: of the convolution.
        norm: default None.
        activation: ``'relu'``, ``'tanh'`` or ``'sigmoid'``.
        statistics: see :func:`~cbm_plugin.layers.norm.normalise_sequence`. Default ``'sequence'``.
        unit: builds another R from ``(in_channels, out_channels)``: any module on single frames
            ``(M, C, H, W)``; it brings its own stride.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Optional[int] = 3,
                 stride: int = 1, norm: Norm = None, activation: str = 'relu',
                 statistics: str = 'sequence',
                 unit: Optional[Callable[[int, int], nn.Module]] = None) -> None:
        super().__init__()
        self.unit = (projection(in_channels, out_channels, kernel_size, stride) if unit is None
                     else unit(in_channels, out_channels))
        self.norm = build_norm(norm, out_channels)
        self.activation = check_activation(activation)
        self.statistics = check_statistics(statistics)

    def forward(self, x: Tensor, valid: Optional[Tensor] = None) -> Tensor:
        """``x (N, T, C, ...)`` -> ``(N, T, out_channels, ...)``; ``valid (N, T)`` or None."""
        features = per_frame(self.unit, x)
        features = normalise_sequence(self.norm, features, valid, self.statistics)
        return ACTIVATIONS[self.activation](features)
