"""What a polygon model sees and predicts, position by position, for a batch of outlines."""
from typing import NamedTuple, Sequence, Tuple

import torch
from torch import Tensor

NO_VERTEX = -1
IGNORED = -100
"""Target behind an outline's end: in no loss."""


class Positions(NamedTuple):
    """Positions of every outline of a batch, padded; position p predicts vertex p + 1.

    Args:
        first: ``(N,)`` cell of vertex 0.
        before: ``(N, T)`` cell of vertex p - 1; -1 at the start.
        last: ``(N, T)`` cell of vertex p.
        target: ``(N, T)`` cell of vertex p + 1, or the end token; -100 beyond an outline.
    """
    first: Tensor
    before: Tensor
    last: Tensor
    target: Tensor

    @classmethod
    def of(cls, outlines: Sequence[Tensor], end: int,
           shown: Sequence[Tensor] = ()) -> 'Positions':
        """All positions of whole outlines.

        Args:
            outlines: cells ``(n,)`` of each.
            end: the end token.
            shown: what the model is shown in place of them (vertices moved to be robust against
                its own errors). Default: the outlines themselves.
        """
        longest = max(len(outline) for outline in outlines)
        size = (len(outlines), longest)
        last, before, target = (torch.full(size, fill, dtype=torch.long, device=outlines[0].device)
                                for fill in (NO_VERTEX, NO_VERTEX, IGNORED))
        for row, (outline, seen) in enumerate(zip(outlines, shown or outlines)):
            n = len(outline)
            last[row, :n] = seen
            before[row, 1:n] = seen[:-1]
            target[row, :n - 1] = outline[1:]
            target[row, n - 1] = end
        return cls(torch.stack([outline[0] for outline in outlines]), before, last, target)

    def clip(self, starts: Tensor, lengths: Tensor) -> 'Positions':
        """Those of one clip of each outline, ``(N, T')``."""
        steps = torch.arange(int(lengths.max()))
        places = (starts[:, None] + steps).clamp_max(self.last.shape[1] - 1)
        inside = (steps < lengths[:, None]).to(self.last.device)
        places = places.to(self.last.device)
        before, last, target = (
            values.gather(1, places).masked_fill(~inside, fill) for values, fill in
            zip(self[1:], (NO_VERTEX, NO_VERTEX, IGNORED)))
        return Positions(self.first, before, last, target)

    @property
    def shape(self) -> Tuple[int, int]:
        """``(N, T)``."""
        return tuple(self.last.shape)  # type: ignore[return-value]
