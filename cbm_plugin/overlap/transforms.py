"""Choosing the frames of a video: its sequence, and the clips to train on."""

from abc import abstractmethod
from typing import Optional, TypedDict

import numpy as np
from mmcv.transforms import BaseTransform

from ..registry import TRANSFORMS
from .plan import ClipPlan
from .sampling import (
    SHORT_POLICIES,
    fixed_stride_clips,
    random_clips,
    random_clips_or_whole,
    sequence_frames,
)


def generator_of(results: dict) -> np.random.Generator:
    """Randomness of one sample: from NumPy's global state, which the data set seeds per sample."""
    return np.random.default_rng(np.random.randint(2**31))


class _RandomClips(TypedDict):
    """Options of :func:`~cbm_plugin.overlap.sampling.random_clips`."""

    num_clips: int
    min_len: int
    max_len: int
    cover: bool
    min_overlap: int


class _FixedStrideClips(TypedDict):
    """Options of :func:`~cbm_plugin.overlap.sampling.fixed_stride_clips`."""

    num_clips: int
    clip_len: int
    overlap_rate: float


def _set_frames(results: dict, frames: np.ndarray, plan: ClipPlan) -> dict:
    results['clip_plan'] = plan
    results['frame_inds'] = frames[plan.positions] + results.get('start_index', 0)
    results['clip_len'] = len(results['frame_inds'])
    results['num_clips'] = 1
    return results


@TRANSFORMS.register_module()
class SampleOverlapClips(BaseTransform):
    """Draws K clips of random lengths and starts; each frame they need is decoded once.

    The sequence is every ``frame_interval``-th frame of the video (from a random one of the first
    ``frame_interval`` on), or ``num_items`` frames spread evenly over it. Stands where
    ``SampleFrames`` stands, after the video is opened. The pack must hand the plan on:
    ``dict(type='PackActionInputs', algorithm_keys=('clip_plan',))``.

    Required keys: ``total_frames``. Added: ``frame_inds`` (the sorted union of the clips' frames),
    ``clip_plan`` (a :class:`~cbm_plugin.overlap.plan.ClipPlan`), ``clip_len``, ``num_clips``,
    ``frame_interval``.

    Args:
        num_clips: K, for every sequence of a batch.
        min_len, max_len: lengths are uniform between them.
        frame_interval: frames from one item to the next. Default 1.
        num_items: length of the sequence, instead of an interval. Default None.
        cover: the clips together contain the whole sequence. Default False, as the paper.
        min_overlap: items that a clip shares with the one before it, at least. Default 0.
        short: what to do where the video has fewer than ``min_len`` items: ``'error'`` (default)
            or ``'whole'``: every clip is all of it.

    Raises:
        ValueError: options contradict each other (at once), or the video is too short for them
            (when it is met).
    """

    def __init__(
        self,
        num_clips: int,
        min_len: int,
        max_len: int,
        frame_interval: int = 1,
        num_items: Optional[int] = None,
        cover: bool = False,
        min_overlap: int = 0,
        short: str = 'error',
    ) -> None:
        if short not in SHORT_POLICIES:
            raise ValueError(f"short is '{short}': use one of {sorted(SHORT_POLICIES)}")
        _check_sequence(frame_interval, num_items)
        self.options = _RandomClips(
            num_clips=num_clips,
            min_len=min_len,
            max_len=max_len,
            cover=cover,
            min_overlap=min_overlap,
        )
        random_clips(max_len, np.random.default_rng(0), **self.options)  # contradictory options
        self.frame_interval, self.num_items, self.short = frame_interval, num_items, short

    def transform(self, results: dict) -> dict:
        """Add the frames to decode, and the plan of one draw."""
        rng = generator_of(results)
        frames = sequence_frames(
            results['total_frames'],
            self.frame_interval,
            self.num_items or 0,
            offset=int(rng.integers(self.frame_interval)),
        )
        plan = SHORT_POLICIES[self.short](len(frames), rng, **self.options)
        results['frame_interval'] = self.frame_interval
        return _set_frames(results, frames, plan)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({self.options}, frame_interval={self.frame_interval}, '
            f"num_items={self.num_items}, short='{self.short}')"
        )


class SamplePlan(BaseTransform):
    """Draws K clips of random lengths over a sequence that is there already: its ``clip_plan``.

    A subclass says how many positions there are: :meth:`positions`. A sequence that is shorter than
    ``min_len`` is whole in every clip.

    Args:
        num_clips: K, for every sequence of a batch.
        min_len, max_len: lengths are uniform between them, cut to the sequence's.
        min_overlap: positions that a clip shares with the one before it, at least. Default 0.
        cover: the clips together contain every position. Default True, so that the sequence's end
            is always learnt; for that, clips become longer than ``max_len`` where a sequence needs
            it.

    Raises:
        ValueError: the options contradict each other.
    """

    def __init__(
        self, num_clips: int, min_len: int, max_len: int, min_overlap: int = 0, cover: bool = True
    ) -> None:
        random_clips(
            max_len,
            np.random.default_rng(0),
            num_clips=num_clips,
            min_len=min_len,
            max_len=max_len,
            min_overlap=min_overlap,
        )  # contradictory options
        self.num_clips, self.min_len, self.max_len = num_clips, min_len, max_len
        self.min_overlap, self.cover = min_overlap, cover

    @abstractmethod
    def positions(self, results: dict) -> int:
        """How many there are."""

    def transform(self, results: dict) -> dict:
        """Add ``clip_plan``, one draw."""
        length, max_len = self.positions(results), self.max_len
        if self.cover:
            needed = length + (self.num_clips - 1) * min(self.min_overlap, length)
            max_len = max(max_len, -(-needed // self.num_clips))
        results['clip_plan'] = random_clips_or_whole(
            length,
            generator_of(results),
            num_clips=self.num_clips,
            min_len=self.min_len,
            max_len=max_len,
            min_overlap=self.min_overlap,
            cover=self.cover,
        )
        return results


@TRANSFORMS.register_module()
class SampleFixedStrideClips(BaseTransform):
    """The authors' sampling; see :func:`~cbm_plugin.overlap.sampling.fixed_stride_clips`.

    Args:
        num_clips: K. Default 7, the paper's backbone-supported model.
        clip_len: L. Default 10, likewise.
        overlap_rate: Default 0.25, likewise.
    """

    def __init__(self, num_clips: int = 7, clip_len: int = 10, overlap_rate: float = 0.25) -> None:
        self.options = _FixedStrideClips(
            num_clips=num_clips, clip_len=clip_len, overlap_rate=overlap_rate
        )
        fixed_stride_clips(clip_len, **self.options)

    def transform(self, results: dict) -> dict:
        """Add the frames to decode, and the plan, which is the same every time."""
        frames, plan = fixed_stride_clips(results['total_frames'], **self.options)
        results['frame_interval'] = int(frames[1] - frames[0]) if len(frames) > 1 else 1
        return _set_frames(results, frames, plan)


@TRANSFORMS.register_module()
class SampleSequence(BaseTransform):
    """The whole sequence as one clip: for testing, and for plain training.

    Args:
        frame_interval: frames from one item to the next. Default 1.
        num_items: length of the sequence, instead of an interval. Default None.
    """

    def __init__(self, frame_interval: int = 1, num_items: Optional[int] = None) -> None:
        _check_sequence(frame_interval, num_items)
        self.frame_interval, self.num_items = frame_interval, num_items

    def transform(self, results: dict) -> dict:
        """Add the frames to decode, and the plan of one clip."""
        frames = sequence_frames(results['total_frames'], self.frame_interval, self.num_items or 0)
        results['frame_interval'] = self.frame_interval
        return _set_frames(results, frames, ClipPlan.whole(len(frames)))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(frame_interval={self.frame_interval}, '
            f'num_items={self.num_items})'
        )


def _check_sequence(frame_interval: int, num_items: Optional[int]) -> None:
    if frame_interval < 1:
        raise ValueError(f'frame_interval is {frame_interval}, but must be at least 1')
    if num_items is not None and (num_items < 1 or frame_interval != 1):
        raise ValueError(
            f'num_items={num_items} with frame_interval={frame_interval}: num_items '
            'must be at least 1, and goes without an interval'
        )
