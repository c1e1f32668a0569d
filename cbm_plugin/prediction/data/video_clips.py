"""What data sets of videos share: clips of videos are checked, then windows of them are drawn."""
from abc import abstractmethod
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from mmengine.logging import print_log

from ...engine.sample_faults import short, some_names
from ...progress import Progress
from ...video.frame_cache import frame_source
from ...video.windows import FrameFormat, count_frames, decode_through, motion
from .dataset import FrameSequenceDataset

STILL = ('keep', 'leave_out')

Named = List[Tuple[str, str]]
"""Names of clips, and what is said of each."""


class Clip(NamedTuple):
    """A part of a video that windows are taken from."""
    name: str
    """For messages."""
    path: str
    start: int = 0
    """Its first frame, from 0."""
    stop: Optional[int] = None
    """The frame after its last; None: the end of the video."""


class VideoClipDataset(FrameSequenceDataset):
    """Windows of T = ``num_inputs + num_outputs`` frames from clips of videos.

    Each data set says which clips it has: :meth:`list_clips`. All videos are opened once (2 ms
    each) when the data set is loaded, so that what is wrong is known before anything is trained.
    Clips that are shorter than a window have none, and the log counts and names them. Clips whose
    video cannot be opened are left out of training in the same way; testing refuses them, so that
    no score gets better by a broken file. What becomes of a video that fails when drawn is said in
    :class:`~cbm_plugin.engine.sample_faults.SurvivingSamples`.

    A training sample is a random window of its clip, another one in every epoch. Test windows are
    fixed: see ``test_windows``.

    Args:
        num_inputs: frames that are seen.
        num_outputs: frames to predict.
        size: ``(H, W)`` of the frames, or one number for both. Default 64.
        colour: ``'grey'`` (default) or ``'rgb'``.
        fit: ``'crop'`` (default: the middle, undistorted) or ``'stretch'``; see
            :class:`~cbm_plugin.video.windows.FrameFormat`.
        stride: a window holds every so many frames of the video. Default 1.
        test_windows: ``'tiled'`` (default): windows every ``test_step`` frames; ``'first'`` or
            ``'middle'``: one of each clip, which is quicker.
        test_step: default None: ``num_outputs * stride``, so that every frame of a clip after its
            first inputs is predicted exactly once (but for a remainder at the end).
        min_motion: clips and test windows with less motion are reported: mean absolute difference
            of successive frames, in grey levels of 255. Default 0.1, below what a camera's noise
            gives; such sequences are copies of one picture, and make every score look better. One
            window of each is decoded for it when the data set is loaded, more where that is still.
            0: nothing is decoded or reported.
        still: what becomes of them: ``'keep'`` (default) or ``'leave_out'``.
        cache: of decoded frames: None (default), ``'memory'``, or a folder; see
            :func:`~cbm_plugin.video.frame_cache.frame_source`.
        options: as :class:`~cbm_plugin.prediction.data.dataset.FrameSequenceDataset`.

    Raises:
        FileNotFoundError: see the data set.
        ValueError: an option is out of range, no clip is left, or, in testing, clips cannot be
            read: up to ten are named.
        RuntimeError: (when drawn) twenty windows in a row fail.
    """

    TEST_WINDOWS: Tuple[str, ...] = ('tiled', 'first', 'middle')

    def __init__(self, num_inputs: int = 10, num_outputs: int = 10,
                 size: Union[int, Tuple[int, int]] = 64, colour: str = 'grey', fit: str = 'crop',
                 stride: int = 1, test_windows: str = 'tiled', test_step: Optional[int] = None,
                 min_motion: float = 0.1, still: str = 'keep', cache: Optional[str] = None,
                 **options: Any) -> None:
        if stride < 1 or (test_step is not None and test_step < 1):
            raise ValueError(f'stride={stride} and test_step={test_step} count frames, and must '
                             'be at least 1')
        if test_windows not in self.TEST_WINDOWS:
            raise ValueError(f"test_windows is '{test_windows}': use one of {self.TEST_WINDOWS}")
        if min_motion < 0:
            raise ValueError(f'min_motion is {min_motion}, but must not be negative')
        if still not in STILL:
            raise ValueError(f"still is '{still}': use one of {STILL}")
        self.stride, self.test_windows = stride, test_windows
        self.test_step = num_outputs * stride if test_step is None else test_step
        self.min_motion, self.still = min_motion, still
        self.frames = frame_source(FrameFormat(size, colour, fit), cache)
        self.left_out: Named = []
        self.still_sequences: Named = []
        super().__init__(num_inputs, num_outputs, **options)

    @abstractmethod
    def list_clips(self) -> List[Clip]:
        """All clips, unopened; the files are there."""

    @property
    def span(self) -> int:
        """Frames of a video from a window's first to its last."""
        return (self.num_frames - 1) * self.stride + 1

    @property
    def frame_shape(self) -> Tuple[int, int, int]:
        """(H, W, C)."""
        return self.frames.frame_format.shape

    def read_frames(self, info: dict) -> List[np.ndarray]:
        """The frames of a window, which training draws here."""
        first, last = info['starts']
        info['start'] = int(np.random.randint(first, last + 1)) if first < last else first
        return list(self._window(info['path'], info['start']))

    def load_data_list(self) -> List[dict]:
        """Find, open and check all clips."""
        clips, faults = self._opened(self.list_clips())
        short_clips: Named = []
        entries = []
        for clip in clips:
            windows = self._windows(clip)
            entries += windows
            if not windows:
                short_clips.append((clip.name, f'{clip.stop - clip.start} frames'))
        self._report(faults, 'cannot be read' + ('' if self.test_mode else ', and are left out'))
        if self.test_mode:
            self._refuse(faults)
        self.left_out = faults + short_clips
        self._report(short_clips, f'{self._too_short()}, and are left out')
        if self.min_motion and entries:
            entries = self._with_motion(entries)
        if not entries:
            raise ValueError(f'{self.source} has no sequence to draw: {len(faults)} clips cannot '
                             f'be read, {len(short_clips)} {self._too_short()}, '
                             f'{len(self.still_sequences)} are still: '
                             f'{_listed(faults + short_clips + self.still_sequences)}')
        return entries

    def window_starts(self, clip: Clip) -> Sequence[int]:
        """First frames of the test windows of a clip, whose ``stop`` is known."""
        assert clip.stop is not None
        starts = range(clip.start, clip.stop - self.span + 1, self.test_step)
        if self.test_windows == 'tiled' or not starts:
            return starts
        last = clip.stop - self.span
        return [clip.start if self.test_windows == 'first' else (clip.start + last) // 2]

    def _windows(self, clip: Clip) -> List[dict]:
        entry = dict(name=clip.name, path=clip.path)
        if self.test_mode:
            return [dict(entry, start=start, starts=(start, start))
                    for start in self.window_starts(clip)]
        assert clip.stop is not None
        last = clip.stop - self.span
        if last < clip.start:
            return []
        return [dict(entry, start=clip.start, starts=(clip.start, last))]

    def _window(self, path: str, start: int) -> np.ndarray:
        return self.frames.read(path, range(start, start + self.span, self.stride))

    def _opened(self, clips: List[Clip]) -> Tuple[List[Clip], Named]:
        """Clips with their ends within their videos, and the faults of the others."""
        lengths: Dict[str, int] = {}
        faults: Dict[str, str] = {}
        cut_off: Named = []
        paths = sorted({clip.path for clip in clips})
        progress = Progress('videos opened', len(paths))
        for number, path in enumerate(paths, start=1):
            try:
                lengths[path], is_cut_off = count_frames(path)
                if self.test_mode:
                    decode_through(path)
                if is_cut_off:
                    cut_off.append((path, f'{lengths[path]} frames'))
            except Exception as error:  # OpenCV and decord raise many kinds
                faults[path] = short(error)
            progress.update(number)
        self._report(cut_off, 'end before their headers say (cut off when copied?) and are used '
                              'as far as they go')
        known, bad = [], []
        for clip in clips:
            length = lengths.get(clip.path, 0)
            if clip.path in faults:
                bad.append((clip.name, faults[clip.path]))
            elif clip.start >= length:
                bad.append((clip.name, f'its video has {length} frames, and it starts at frame '
                                       f'{clip.start} (from 0)'))
            else:
                stop = length if clip.stop is None else min(clip.stop, length)
                known.append(clip._replace(stop=stop))
        return known, bad

    def _with_motion(self, entries: List[dict]) -> List[dict]:
        """Report entries without motion, and leave them out if asked to."""
        kept = []
        progress = Progress('windows looked at for motion', len(entries))
        unreadable: Dict[str, str] = {}
        for number, entry in enumerate(entries, start=1):
            try:
                if self._most_motion(entry) >= self.min_motion:
                    kept.append(entry)
                else:
                    self.still_sequences.append((entry['name'], f'from frame {entry["start"]}'))
            except ValueError as error:
                kept.append(entry)  # training replaces it when it is drawn, and counts it
                unreadable.setdefault(entry['name'], short(error))  # one of its windows will do
            progress.update(number)
        if self.test_mode:
            self._report(list(unreadable.items()), 'cannot be read')
            self._refuse(list(unreadable.items()))
        left_out = self.still == 'leave_out'
        self._report(self.still_sequences,
                     f'hardly move (below min_motion={self.min_motion} grey levels from frame to '
                     'frame), and are ' + ('left out' if left_out else
                                           "kept: still='leave_out' would leave them out"))
        return kept if left_out else entries

    def _most_motion(self, entry: dict) -> float:
        """Of the windows side by side in an entry; it looks no further than one that moves."""
        first, last = entry['starts']
        starts = list(range(first, last + 1, self.span))
        middle = len(starts) // 2
        most = 0.0
        for start in [starts[middle], *starts[:middle], *starts[middle + 1:]]:
            most = max(most, motion(self._window(entry['path'], start)))
            if most >= self.min_motion:
                break
        return most

    def _too_short(self) -> str:
        return (f'have no room for a window of {self.span} frames (num_inputs={self.num_inputs} '
                f'and num_outputs={self.num_outputs} at stride={self.stride})')

    def _refuse(self, faults: Named) -> None:
        if faults:
            raise ValueError(f'{self.source}: {len(faults)} sequences to test on cannot be read: '
                             f'{_listed(faults)}. Repair them or take them off the list or out of '
                             'the folder (the log names all of them): a test must not depend on '
                             'what happened to be readable')

    def _report(self, faults: Named, fault: str) -> None:
        """Name every one: a log is where to look up which files to repair."""
        if faults:
            names = ', '.join(f'{name} ({reason})' for name, reason in faults)
            print_log(f'{self.source}: {len(faults)} sequences {fault}: {names}', 'current',
                      level=30)


def _listed(faults: Named) -> str:
    return some_names([f'{name} ({fault})' for name, fault in faults])
