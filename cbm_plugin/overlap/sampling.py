"""Drawing clip plans: pure functions of their arguments and a random generator."""

from typing import Callable, Dict, List, Tuple

import numpy as np

from .plan import Clip, ClipPlan


def random_clips(
    length: int,
    rng: np.random.Generator,
    *,
    num_clips: int,
    min_len: int,
    max_len: int,
    cover: bool = False,
    min_overlap: int = 0,
) -> ClipPlan:
    """Clips of random lengths at random starts, as in the paper (section 3.2).

    ::

        length   |--------------------------------|
        clips      [------)      [----)
                       [----------)    [---------)

    Args:
        length: of the sequence.
        rng: all randomness.
        num_clips: K.
        min_len: of the shortest clip. Lengths are uniform between it and ``max_len``.
        max_len: of the longest clip; it is cut to ``length``.
        cover: the clips together contain every position.
        min_overlap: so many positions, at least, that each clip shares with the one before it.
            0 leaves overlaps to chance.

    Raises:
        ValueError: the numbers contradict each other, or the sequence is shorter than
            ``min_len``, or too long to be covered.
    """
    _check_options(num_clips, min_len, max_len, min_overlap)
    if length < min_len:
        raise ValueError(
            f'the sequence has {length} items, but a clip has at least min_len='
            f'{min_len}: lower min_len or the frame interval, or allow short '
            "sequences with short='whole'"
        )
    lengths = rng.integers(min_len, min(max_len, length) + 1, size=num_clips)
    if cover:
        lengths = _grow_to_cover(lengths, length, min_overlap, min(max_len, length))
    if cover or min_overlap:
        starts = _chained_starts(lengths, length, min_overlap, cover, rng)
    else:
        starts = [int(rng.integers(0, length - size + 1)) for size in lengths]
    clips = sorted(Clip(int(start), int(start + size)) for start, size in zip(starts, lengths))
    return ClipPlan(length, tuple(clips))


def fixed_stride_clips(
    length: int, *, clip_len: int, num_clips: int, overlap_rate: float = 0.25
) -> Tuple[np.ndarray, ClipPlan]:
    """The authors' sampling: one length and one stride, from the first frame on.

    Every ``space``-th frame is kept so that the clips spread over the video, then clip k starts at
    kept frame ``stride * k``. It often ends before the video does; it is here for comparison. Where
    the authors repeat the last frame to fill a clip, our clip is shorter.

    Args:
        length: frames of the video, V.
        clip_len: L. The paper's backbone model has 10, the standalone one 5.
        num_clips: K; 7 and 6.
        overlap_rate: r. Default 0.25, the authors'.

    Returns:
        The kept frames, and the plan over them.
    """
    if not 0 <= overlap_rate < 1:
        raise ValueError(f'overlap_rate is {overlap_rate}, but must lie in [0, 1)')
    if min(length, clip_len, num_clips) < 1:
        raise ValueError(
            f'length={length}, clip_len={clip_len} and num_clips={num_clips} must all be at least 1'
        )
    advance = clip_len * (1 - overlap_rate)
    space = max(1, int(length / (advance * (num_clips - 1) + clip_len) + 0.5))
    kept = np.arange(space - 1, length, space)
    stride = min(int(advance), int(max(0, len(kept) - clip_len) / num_clips))
    clips = tuple(Clip(stride * k, min(stride * k + clip_len, len(kept))) for k in range(num_clips))
    return kept, ClipPlan(len(kept), clips)


def _check_options(num_clips: int, min_len: int, max_len: int, min_overlap: int) -> None:
    if num_clips < 1:
        raise ValueError(f'num_clips is {num_clips}, but must be at least 1')
    if not 1 <= min_len <= max_len:
        raise ValueError(
            f'min_len={min_len} and max_len={max_len} must satisfy 1 <= min_len <= max_len'
        )
    if not 0 <= min_overlap <= min_len:
        raise ValueError(
            f'min_overlap is {min_overlap}, but must lie between 0 and min_len='
            f'{min_len}: two clips cannot share more than the shorter one has'
        )


def _grow_to_cover(lengths: np.ndarray, length: int, min_overlap: int, max_len: int) -> np.ndarray:
    """Lengthen the clips, the shortest first, until together they can cover the sequence."""
    needed = length + (len(lengths) - 1) * min_overlap
    if len(lengths) * max_len < needed:
        raise ValueError(
            f'{len(lengths)} clips of at most {max_len} items with overlaps of '
            f'{min_overlap} cannot cover {length} items: raise num_clips or max_len, '
            'raise the frame interval, or set cover=False'
        )
    lengths = lengths.copy()
    while lengths.sum() < needed:
        lengths[lengths.argmin()] += 1
    return lengths


def _chained_starts(
    lengths: np.ndarray, length: int, min_overlap: int, cover: bool, rng: np.random.Generator
) -> List[int]:
    """Starts from left to right, each within reach of the clip before it.

    No start is so late that a later clip would not fit, and under ``cover`` none so early that the
    rest could not reach the end.
    """
    starts: List[int] = []
    for k in range(len(lengths)):
        earliest, latest = 0, length - int(lengths[k:].max())
        if starts:
            earliest = starts[-1]
            latest = min(latest, starts[-1] + int(lengths[k - 1]) - min_overlap)
        elif cover:
            latest = 0
        if cover:
            rest = int(lengths[k:].sum()) - (len(lengths) - 1 - k) * min_overlap
            earliest = max(earliest, length - rest)
        starts.append(int(rng.integers(earliest, latest + 1)))
    return starts


def sequence_frames(
    total_frames: int, frame_interval: int = 1, num_items: int = 0, offset: int = 0
) -> np.ndarray:
    """The frames of a video that make its sequence.

    Args:
        total_frames: of the video.
        frame_interval: every so-manieth frame, from ``offset`` on.
        num_items: instead, so many frames spread evenly over the video (fewer where it has
            fewer). 0: off.
        offset: the first frame, where ``num_items`` is off. Default 0.
    """
    if num_items:
        count = min(num_items, total_frames)
        return ((np.arange(count) + 0.5) * total_frames / count).astype(np.int64)
    return np.arange(min(offset, total_frames - 1), total_frames, frame_interval)


def random_clips_or_whole(
    length: int,
    rng: np.random.Generator,
    *,
    num_clips: int,
    min_len: int,
    max_len: int,
    cover: bool = False,
    min_overlap: int = 0,
) -> ClipPlan:
    """:func:`random_clips`; of a sequence shorter than ``min_len`` every clip is all of it."""
    return random_clips(
        length,
        rng,
        num_clips=num_clips,
        min_len=min(min_len, length),
        max_len=max_len,
        cover=cover,
        min_overlap=min(min_overlap, length),
    )


SHORT_POLICIES: Dict[str, Callable[..., ClipPlan]] = {
    'error': random_clips,
    'whole': random_clips_or_whole,
}
"""What to do with a sequence shorter than ``min_len``: refuse it, or take it as it is."""
