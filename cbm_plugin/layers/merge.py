"""How the two flows become one again (section 5, analysis on merge function)."""

from typing import Callable, Dict, Optional

import torch
from torch import Tensor, nn

from .recurrent import projection

MERGES: Dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    'product': torch.mul,
    'sum': torch.add,
    'max': torch.maximum,
}


class Merge(nn.Module):
    """``y = merge(r, s)`` of the representation flow and the temporal flow, same shapes.

    Args:
        kind: ``'product'`` (default, the paper's: the temporal flow gates the representation),
            ``'sum'``, ``'max'``, or ``'concat'`` followed by a 1x1 convolution.
        channels: C of each flow.
        vectors: the flows are vectors, not maps.

    Raises:
        ValueError: there is no such merge.
    """

    def __init__(self, kind: str, channels: int, vectors: bool = False) -> None:
        super().__init__()
        if kind not in MERGES and kind != 'concat':
            raise ValueError(f"merge '{kind}' is unknown: use one of {sorted([*MERGES, 'concat'])}")
        self.kind = kind
        self.mix: Optional[nn.Module] = None
        if kind == 'concat':
            self.mix = projection(2 * channels, channels, None if vectors else 1)

    def forward(self, r: Tensor, s: Tensor) -> Tensor:
        """``(M, C, ...)`` each -> ``(M, C, ...)``."""
        if self.mix is None:
            return MERGES[self.kind](r, s)
        return self.mix(torch.cat([r, s], dim=1))

    def extra_repr(self) -> str:
        """The kind, within ``repr()``."""
        return self.kind
