"""Lists of videos that are checked before training, and that survive a bad file during it."""
import os
import tempfile
from typing import Any, Dict, List, Optional, Sequence, Tuple

import decord
import numpy as np
from mmaction.datasets import VideoDataset
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from ..engine.seeding import seed_sample
from ..registry import DATASETS, HOOKS
from ..synthetic.motion_clips import CLASS_NAMES, make_motion_clips
from ..synthetic.video import write_mp4

MAX_NAMED = 10
"""So many bad files are named in one message; the rest are counted."""

MAX_REPLACED = 20
"""So many videos in a row may fail: more is a fault of the list or the pipeline, not bad luck."""


@DATASETS.register_module()
class CheckedVideoDataset(VideoDataset):
    """MMAction2's ``VideoDataset`` that names what is wrong with its list before training starts.

    Each sample is drawn with random numbers that depend on (seed, epoch, index) alone, when the
    sampler is a :class:`~cbm_plugin.engine.seeding.SeededSampler`. In training, a video that fails
    is replaced by the next one that does not; the sample carries what failed, for
    :class:`VideoFaultHook` to count. In testing, a video that fails is replaced by a black one: its
    label still counts, so that no score gets better by a broken file.

    Args:
        ann_file: lines of ``path label``.
        pipeline: transforms.
        num_classes: labels must lie in ``0..num_classes - 1``. Default None: not checked.
        check: ``'exists'`` (default) looks whether each file is there; ``'open'`` also opens each
            one and reads its number of frames (about 2 ms each).
        options: as ``VideoDataset``.

    Raises:
        FileNotFoundError: files are missing, with their names.
        ValueError: a line has no label, a label is out of range, a file cannot be opened.
        RuntimeError: (when drawn) twenty videos in a row fail.
    """

    def __init__(self, ann_file: str, pipeline: Sequence[Any], num_classes: Optional[int] = None,
                 check: str = 'exists', **options: Any) -> None:
        if check not in ('exists', 'open'):
            raise ValueError(f"check is '{check}': use 'exists' or 'open'")
        self.check = check
        super().__init__(ann_file, pipeline, num_classes=num_classes, **options)

    def load_data_list(self) -> List[dict]:
        """Read and check the list."""
        if not os.path.isfile(self.ann_file):
            raise FileNotFoundError(
                f'the list of videos {self.ann_file} does not exist: set ann_file, or, with our '
                'config for a folder of videos, DATA_ROOT=DIR in the environment')
        if not self.multi_class:
            self._check_lines()
        videos = super().load_data_list()
        if not videos:
            raise ValueError(f'the list of videos {self.ann_file} is empty')
        self._check_files([video['filename'] for video in videos])
        if not self.multi_class:
            self._check_labels(videos)
        return videos

    def _check_lines(self) -> None:
        with open(self.ann_file) as lines:
            for number, line in enumerate(lines, start=1):
                parts = line.strip().split(self.delimiter)
                label = parts[-1].lstrip('-')
                if len(parts) > 2 or (len(parts) == 2 and not label.isdigit()):
                    raise ValueError(
                        f"{self.ann_file}, line {number}: '{line.strip()}' is not "
                        f"'path{self.delimiter}label' with a whole number as label; set "
                        '`delimiter` if paths contain spaces')

    def _check_labels(self, videos: List[dict]) -> None:
        for number, video in enumerate(videos, start=1):
            if self.num_classes is not None and not 0 <= video['label'] < self.num_classes:
                raise ValueError(f"{self.ann_file}, line {number}: label {video['label']} of "
                                 f"{video['filename']} is outside 0..{self.num_classes - 1}: "
                                 'correct the list, or set num_classes')

    def _check_files(self, names: List[str]) -> None:
        missing = [name for name in names if not os.path.isfile(name)]
        if missing:
            raise FileNotFoundError(
                f'{self.ann_file} lists {len(missing)} of {len(names)} videos that do not exist: '
                f"{_some(missing)}. Set data_prefix=dict(video=DIR) to the folder that the list's "
                'paths start from')
        if self.check == 'open':
            bad = [f'{name} ({fault})' for name in names for fault in [_open_fault(name)] if fault]
            if bad:
                raise ValueError(f'{self.ann_file} lists {len(bad)} of {len(names)} videos that '
                                 f'cannot be opened: {_some(bad)}. Repair them or take them off '
                                 "the list; with check='exists' they are replaced during training")

    def prepare_data(self, idx: int) -> Any:
        """One sample, whatever happens to its video."""
        faults: List[Tuple[str, str]] = []
        for attempt in range(min(MAX_REPLACED, len(self))):
            # an index of the same draw, so that a replacement repeats too
            index = idx if attempt == 0 else type(idx)(
                (int(idx) + attempt) % len(self),
                **({} if type(idx) is int else dict(seed=idx.seed, epoch=idx.epoch)))
            seed_sample(index)
            info = self.get_data_info(index)
            try:
                return _with_faults(self.pipeline(info), faults)
            except Exception as error:  # decord, OpenCV and NumPy raise many kinds
                faults.append((info['filename'], f'{type(error).__name__}: {_short(error)}'))
            if self.test_mode:
                return _with_faults(self._in_black(idx), faults)
        raise RuntimeError(f'none of the {len(faults)} videos tried of {self.ann_file} can be '
                           f'read: {_some([": ".join(fault) for fault in faults])}')

    def _in_black(self, idx: int) -> Any:
        info = self.get_data_info(idx)
        info['filename'] = black_video()
        return self.pipeline(info)


@DATASETS.register_module()
class MotionClips(CheckedVideoDataset):
    """The embedded default: clips that differ in motion only, made at first use.

    Args:
        data_root: folder to make them in.
        split: ``'train'``, ``'val'``, ...: each has draws of its own.
        num_clips: of the split.
        pipeline: transforms.
        seed: of the clips. Default 0.
        num_frames, size: of each clip. Default 16 frames of 32x32 pixels.
    """

    METAINFO = dict(classes=CLASS_NAMES)

    def __init__(self, data_root: str, split: str, num_clips: int, pipeline: Sequence[Any],
                 seed: int = 0, num_frames: int = 16, size: int = 32, **options: Any) -> None:
        ann_file = make_motion_clips(data_root, split, num_clips, seed, num_frames, size)
        super().__init__(str(ann_file), pipeline, num_classes=len(CLASS_NAMES),
                         data_prefix=dict(video=os.path.dirname(str(ann_file))), **options)


@HOOKS.register_module()
class VideoFaultHook(Hook):
    """Names every video that failed, once, counts them, and stops when they are too many.

    Args:
        max_share: of failed to drawn samples. Default 0.1: a list that is one tenth broken is a
            mistake, not bad luck. Judged from 20 samples on.

    Raises:
        RuntimeError: (in training) the share is exceeded.
    """

    def __init__(self, max_share: float = 0.1) -> None:
        if not 0 <= max_share <= 1:
            raise ValueError(f'max_share is {max_share}, but must lie in 0..1')
        self.max_share = max_share
        self.named: Dict[str, str] = {}
        self.drawn = self.failed = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Count this batch."""
        self._count(runner.logger, data_batch)
        if self.drawn >= 20 and self.failed > self.max_share * self.drawn:
            raise RuntimeError(
                f'{self.failed} of {self.drawn} videos drawn so far failed, more than max_share='
                f'{self.max_share} allows: repair them, take them off the list, or raise '
                f'VideoFaultHook.max_share. {_some([": ".join(f) for f in self.named.items()])}')

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                       outputs: Optional[Sequence] = None) -> None:
        """Count this batch, without stopping."""
        self._count(runner.logger, data_batch)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                        outputs: Optional[Sequence] = None) -> None:
        """Count this batch, without stopping."""
        self._count(runner.logger, data_batch)

    def after_run(self, runner: Runner) -> None:
        """Say how many there were."""
        if self.named:
            runner.logger.warning(f'{len(self.named)} videos failed, in {self.failed} of '
                                  f'{self.drawn} draws: {_some(list(self.named))}')

    def _count(self, logger: MMLogger, data_batch: Optional[dict]) -> None:
        for sample in (data_batch or {}).get('data_samples', ()):
            self.drawn += 1
            faults = sample.metainfo.get('faults', ())
            self.drawn += len(faults)
            self.failed += len(faults)
            for name, message in faults:
                if name not in self.named:
                    self.named[name] = message
                    logger.warning(f'video failed and was replaced: {name}: {message}')


def black_video() -> str:
    """A file of black frames, which stands in for a broken one in testing."""
    user = getattr(os, 'getuid', int)()  # Windows has no user numbers
    path = os.path.join(tempfile.gettempdir(), f'cbm_plugin_black_{user}.mp4')
    if not os.path.isfile(path):
        write_mp4(path, np.zeros((64, 240, 320, 3), np.uint8))
    return path


def _open_fault(name: str) -> str:
    try:
        frames = len(decord.VideoReader(name, num_threads=1))
    except Exception as error:  # decord raises RuntimeError, DECORDError, OSError, ...
        return _short(error)
    return '' if frames else 'no frames'


def _with_faults(packed: Any, faults: List[Tuple[str, str]]) -> Any:
    if faults:
        packed['data_samples'].set_metainfo(dict(faults=tuple(faults)))
    return packed


def _some(names: Sequence[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ', '.join(names[:MAX_NAMED]) + (f' and {rest} more' if rest > 0 else '')


def _short(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
