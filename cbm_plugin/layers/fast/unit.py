"""A linear or convolution unit as the fast twins take it, and what is kept of it in inference."""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn

from .linear_map import LinearMap, linear_map

Spans = List[Tuple[int, int]]


class Unit(NamedTuple):
    """One linear or convolution unit.

    Args:
        weight: ``(out, in)`` or ``(out, in, k, k)``.
        bias: ``(out,)`` or None.
        stride: of the convolution.
        spans: the rows at which its gradient reaches its input, as (first, end). Default None:
            all. Temporal dropout leaves some out, and nothing is computed for them.
        always_learns: temporal dropout leaves it alone (R, the bridge).
        map: the weight in the form that is fastest to apply; made where it is None.
    """

    weight: Tensor
    bias: Optional[Tensor] = None
    stride: int = 1
    spans: Optional[Spans] = None
    always_learns: bool = False
    map: Optional[LinearMap] = None

    def prepared(self, x: Tensor) -> 'Unit':
        """The unit with its map, in the precision of ``x (M, C, ...)``."""
        bias = None if self.bias is None else self.bias.detach().to(x.dtype)
        prepared = linear_map(self.weight, x, self.stride)
        prepared.prepare()
        return self._replace(bias=bias, map=prepared)

    def map_for(self, x: Tensor) -> LinearMap:
        """The map, kept or made, for ``x (M, C, ...)``."""
        return linear_map(self.weight, x, self.stride) if self.map is None else self.map


Units = Tuple[List[Unit], List[Unit]]


class PreparedUnits:
    """A layer's units, folded and reordered once for all steps of inference.

    They are made again when a weight was changed in place, moved or loaded, and whenever the layer
    is switched to training or evaluation, since some tools (moving averages of weights) change
    weights unseen between these.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget them."""
        self._key: Any = None
        self._tensors: List[Tensor] = []
        self._units: Optional[Units] = None

    def get(self, layer: nn.Module, build: Callable[[], Units], frames: Tensor) -> Units:
        """Units of the input and of the state, for ``frames (M, C, ...)``."""
        if torch.is_grad_enabled() or layer.training:
            return build()
        key = self._key_of(frames)
        if self._units is None or key != self._key:
            self._tensors = [*layer.parameters(), *layer.buffers()]
            self._key = self._key_of(frames)
            inputs, state_units = build()
            self._units = (
                [unit.prepared(frames) for unit in inputs],
                [unit.prepared(frames) for unit in state_units],
            )
        return self._units

    def _key_of(self, frames: Tensor) -> tuple:
        states = [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in self._tensors]
        return (frames.shape[1:], frames.dtype, frames.device, states)

    def __deepcopy__(self, memo: dict) -> 'PreparedUnits':
        return PreparedUnits()

    def __getstate__(self) -> dict:
        return {}

    def __setstate__(self, state: dict) -> None:
        self.clear()
