"""The context bridge R: what turns each frame into features, without recurrence."""

from typing import Callable, List, Optional, Tuple

from torch import Tensor, nn

from . import fast
from .norm import (
    ACTIVATIONS,
    Norm,
    build_norm,
    by_step,
    check_activation,
    check_norm,
    check_statistics,
    fold,
    in_training,
    normalise_sequence,
)
from .packing import Packing, per_step
from .recurrent import Projection, plain_batch_norm, projection


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

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Optional[int] = 3,
        stride: int = 1,
        norm: Norm = None,
        activation: str = 'relu',
        statistics: str = 'sequence',
        unit: Optional[Callable[[int, int], nn.Module]] = None,
    ) -> None:
        super().__init__()
        self.is_projection = unit is None
        self.stride = stride
        self.unit: nn.Module = (
            projection(in_channels, out_channels, kernel_size, stride)
            if unit is None
            else unit(in_channels, out_channels)
        )
        self.norm = build_norm(norm, out_channels)
        self.activation = check_activation(activation)
        self.statistics = check_statistics(statistics)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """``frames (M, C, ...)``, packed -> ``(M, out_channels, ...)``."""
        return self.finish(self.unit(frames), packing, self.norm)

    def naive(self, frames: Tensor, packing: Packing) -> Tensor:
        """The same, R on one frame after another."""
        features = per_step(self.unit, frames, packing.batch_sizes)
        return self.finish(features, packing, self.norm)

    def finish(self, features: Tensor, packing: Packing, norm: Optional[nn.Module]) -> Tensor:
        """``act(norm(features))`` of what R gave."""
        features = normalise_sequence(norm, features, packing, self.statistics)
        return ACTIVATIONS[self.activation](features)

    # --- the halves of the fast twin, which runs R beside T's input and ends with the gate

    def has_fast_twin(self) -> bool:
        """Whether R is one projection, and its norm batch norm or none."""
        return self.is_projection and plain_batch_norm(check_norm(self.norm))

    @property
    def projection(self) -> Projection:
        """R, where it is one projection."""
        assert isinstance(self.unit, (nn.Linear, nn.Conv2d))  # has_fast_twin() saw to it
        return self.unit

    def fast_unit(self) -> fast.Unit:
        """R, with a norm that is a constant inside."""
        unit = self.projection
        weight, bias = fold(self.norm, unit.weight, unit.bias)
        return fast.Unit(weight, bias, self.stride, always_learns=True)

    def after_fast_unit(self, z: Tensor, packing: Packing) -> Tensor:
        """``act(norm(z))`` of what R gave, for merges other than the product."""
        return self.finish(z, packing, in_training(self.norm))

    def gated(self, z: Tensor, gate: Tensor, packing: Packing) -> Tensor:
        """``act(norm(z)) * gate`` of what R gave."""
        spans: List[Tuple[int, int]] = [(0, len(z))]
        if by_step(self.norm, self.statistics):
            spans = packing.spans
        return fast.gated(z, gate, in_training(self.norm), self.activation, spans)
