"""A linear or convolution unit's weights, in the form that is fastest to apply over and over.

``add`` and ``add_transposed`` write into what is already there: on the CPU one oneDNN convolution
with a sum as its last operation, and the weights reordered once for all steps of a sequence. Where
that is not to be had (CUDA, float64) the same is done with PyTorch's public operators.
"""

from functools import cached_property
from typing import Optional, Tuple

import torch
from torch import Tensor
from torch.nn import functional as F

PACKED_TYPES = (torch.float32, torch.bfloat16)


class LinearMap:
    """``W x`` for vectors ``(M, C)``.

    Args:
        weight: ``(out, in)``.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def __call__(self, x: Tensor, bias: Optional[Tensor] = None) -> Tensor:
        """``W x + b``."""
        return F.linear(x, self.weight, bias)

    def add(self, out: Tensor, x: Tensor) -> None:
        """``out += W x``."""
        out.addmm_(x, self.weight.t())

    def add_transposed(self, out: Tensor, g: Tensor) -> None:
        """``out += W^T g``."""
        out.addmm_(g, self.weight)

    def transposed(self, g: Tensor, x: Tensor) -> Tensor:
        """``W^T g``, in the shape of ``x``."""
        return g @ self.weight

    def prepare(self) -> None:
        """Do now what pays only if the map is applied many times."""

    def weight_grad(
        self, x: Tensor, g: Tensor, biased: bool = False
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """The gradient of ``<g, W x + b>`` by W, and by b where there is one."""
        return g.t() @ x, g.sum(0) if biased else None


class ConvMap(LinearMap):
    """A convolution of maps ``(M, C, H, W)``, channels last, padded to keep their size.

    Args:
        weight: ``(out, in, k, k)``, k odd.
        stride: of the convolution; with more than 1 only ``transposed`` goes back.
    """

    def __init__(self, weight: Tensor, stride: int = 1) -> None:
        super().__init__(weight)
        self.stride = stride
        self.padding = weight.shape[-1] // 2

    @cached_property
    def channels_last(self) -> Tensor:
        """The weight in the order of the maps, which all but packed convolutions want."""
        return self.weight.contiguous(memory_format=torch.channels_last)

    def __call__(self, x: Tensor, bias: Optional[Tensor] = None) -> Tensor:
        """``W x + b``."""
        return F.conv2d(x, self.channels_last, bias, self.stride, self.padding)

    def add(self, out: Tensor, x: Tensor) -> None:
        """``out += W x``."""
        out.add_(self(x))

    def add_transposed(self, out: Tensor, g: Tensor) -> None:
        """``out += W^T g``."""
        out.add_(self.transposed(g, out))

    def transposed(self, g: Tensor, x: Tensor) -> Tensor:
        """``W^T g``, in the shape of ``x``."""
        return self._backward(g, x, (True, False, False), self.stride)[0]

    def weight_grad(
        self, x: Tensor, g: Tensor, biased: bool = False
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """The gradient of ``<g, W x + b>`` by W, and by b where there is one."""
        stride = self.stride
        if self.padding == 0 and stride > 1:  # oneDNN's own way writes past its memory, see
            # layers.recurrent.StridedPointwise: here too only what a 1x1 kernel sees
            x = x[..., ::stride, ::stride].contiguous(memory_format=torch.channels_last)
            stride = 1
        return self._backward(g, x, (False, True, biased), stride)[1:]

    def _backward(
        self, g: Tensor, x: Tensor, wanted: Tuple[bool, bool, bool], stride: int
    ) -> Tuple:
        pair = [self.padding] * 2
        return torch.ops.aten.convolution_backward(
            g,
            x,
            self.channels_last,
            [self.weight.shape[0]],
            [stride] * 2,
            pair,
            [1, 1],
            False,
            [0, 0],
            1,
            wanted,
        )


class PackedConvMap(ConvMap):
    """:class:`ConvMap` of stride 1 on the CPU, through oneDNN's convolution with a sum.

    Args:
        weight: as there.
        like: maps that it will be applied to, which decide how oneDNN orders the weights.
    """

    def __init__(self, weight: Tensor, like: Tensor) -> None:
        super().__init__(weight)
        self._like = like.shape

    def __call__(self, x: Tensor, bias: Optional[Tensor] = None) -> Tensor:
        """``W x + b``."""
        if '_packed' not in self.__dict__:  # not worth it for a single use
            return super().__call__(x, bias)
        pair = [self.padding] * 2
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._packed, bias, pair, [1, 1], [1, 1], 1, 'none', [], ''
        )

    def prepare(self) -> None:
        """Reorder the weights now, for many steps."""
        self._packed  # noqa: B018  made on being asked for

    def add(self, out: Tensor, x: Tensor) -> None:
        """``out += W x``."""
        self._sum(out, x, self._packed)

    def add_transposed(self, out: Tensor, g: Tensor) -> None:
        """``out += W^T g``."""
        self._sum(out, g, self._packed_transposed)

    @cached_property
    def _packed(self) -> Tensor:
        return self._pack(self.weight)

    @cached_property
    def _packed_transposed(self) -> Tensor:
        """Backward is the convolution with the kernel turned about its centre."""
        return self._pack(self.weight.flip(2, 3).transpose(0, 1))

    def _pack(self, weight: Tensor) -> Tensor:
        shape = [self._like[0], weight.shape[1], *self._like[2:]]
        return torch.ops.aten.mkldnn_reorder_conv2d_weight(
            weight.contiguous().to_mkldnn(), [self.padding] * 2, [1, 1], [1, 1], 1, shape
        )

    def _sum(self, out: Tensor, x: Tensor, packed: Tensor) -> None:
        torch.ops.mkldnn._convolution_pointwise_.binary(
            out, x, packed, None, [self.padding] * 2, [1, 1], [1, 1], 1, 'add', 1.0, None, [], None
        )


def linear_map(weight: Tensor, x: Tensor, stride: int = 1) -> LinearMap:
    """The fastest map with this ``weight``, in the precision of ``x (M, C, ...)``."""
    weight = weight.detach().to(x.dtype)
    if weight.ndim == 2:
        return LinearMap(weight)
    if stride == 1 and _packs(x):
        return PackedConvMap(weight, x)
    return ConvMap(weight, stride)


def _packs(x: Tensor) -> bool:
    """Whether oneDNN's private convolutions are there for such maps."""
    if x.device.type != 'cpu' or x.dtype not in PACKED_TYPES:
        return False
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return False
    if not hasattr(torch.ops.mkldnn, '_convolution_pointwise_'):
        return False
    return x.dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()
