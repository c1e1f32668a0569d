"""Which clips of a sequence are trained, and what they share.

A clip is a half-open range of absolute positions; a plan is all clips of one sequence::

    position     0 1 2 3 4 5 6 7 8 9
    clip 0       [-------)                 [0, 4)
    clip 1           [---------)           [2, 7)
    clip 2                     [-----)     [7, 10)
    overlaps         [---)                 [2, 4) of clips 0 and 1; clips 1 and 2 share nothing

The positions may be frames of a video or vertices of a polygon: a plan does not know.
"""

from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np


class Clip(NamedTuple):
    """The positions ``start, ..., stop - 1``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of positions."""
        return self.stop - self.start


def overlap(a: Clip, b: Clip) -> Optional[Clip]:
    """What two clips share, or None."""
    start, stop = max(a.start, b.start), min(a.stop, b.stop)
    return Clip(start, stop) if start < stop else None


@dataclass(frozen=True)
class ClipPlan:
    """All clips of one sequence, in the order in which they are trained: by start, then by stop.

    Args:
        length: number of positions in the whole sequence.
        clips: the clips, as :class:`Clip` or pairs.

    Raises:
        ValueError: there is no clip, a clip is empty or leaves ``0..length``, or they are not in
            order.
    """

    length: int
    clips: Tuple[Clip, ...]

    def __post_init__(self) -> None:
        clips = tuple(Clip(int(start), int(stop)) for start, stop in self.clips)
        object.__setattr__(self, 'clips', clips)
        if not clips:
            raise ValueError('a clip plan needs at least one clip, got none')
        for clip in clips:
            if not 0 <= clip.start < clip.stop <= self.length:
                raise ValueError(
                    f'the clip [{clip.start}, {clip.stop}) is empty or leaves the '
                    f'sequence, whose positions are 0..{self.length - 1}'
                )
        if list(clips) != sorted(clips):
            raise ValueError(f'clips must be sorted by start, then stop, got {clips}')

    def __reduce__(self) -> Tuple[type, tuple]:
        # numbers and one name, which are all that safe_loading reads of a dumped prediction
        return ClipPlan, (self.length, tuple(tuple(clip) for clip in self.clips))

    @classmethod
    def whole(cls, length: int) -> 'ClipPlan':
        """The plan of plain training: one clip that is the whole sequence."""
        return cls(length, (Clip(0, length),))

    @property
    def positions(self) -> np.ndarray:
        """Every position that some clip contains, once, in order: what has to be decoded."""
        inside = np.zeros(self.length, dtype=bool)
        for clip in self.clips:
            inside[clip.start : clip.stop] = True
        return np.flatnonzero(inside)

    @property
    def offsets(self) -> List[int]:
        """Where each clip starts within :attr:`positions` (a clip's positions are adjacent)."""
        starts = [clip.start for clip in self.clips]
        return np.searchsorted(self.positions, starts).tolist()

    @property
    def pairs(self) -> List[Tuple[int, Clip]]:
        """``(k, shared positions)`` of every clip ``k`` that overlaps the one before it."""
        shared = ((k, overlap(self.clips[k - 1], self.clips[k])) for k in range(1, len(self.clips)))
        return [(k, both) for k, both in shared if both is not None]

    def state_source(self, k: int) -> Optional[int]:
        """The clip that knows the state just before clip ``k``: the latest one that reached it.

        None where no earlier clip contains the position before ``k``'s first one (or ends there).
        """
        start = self.clips[k].start
        for j in range(k - 1, -1, -1):
            if self.clips[j].start < start <= self.clips[j].stop:
                return j
        return None


def check_same_number_of_clips(plans: Sequence[ClipPlan]) -> int:
    """The number of clips that all plans of a batch have.

    Raises:
        ValueError: they differ.
    """
    numbers = sorted({len(plan.clips) for plan in plans})
    if len(numbers) != 1:
        raise ValueError(
            f'the plans of one batch have {numbers} clips, but one number serves a '
            'batch: give `num_clips` one value in the sampler'
        )
    return numbers[0]
