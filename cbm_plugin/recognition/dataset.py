"""Lists of videos that are checked before training, and that survive a bad file during it."""
import os
from typing import Any, List, Optional, Sequence, Tuple

import decord
from mmaction.datasets import VideoDataset

from ..engine.seeding import seed_sample
from ..registry import DATASETS
from .video_faults import black_video, some_names

MAX_REPLACED = 20
"""So many videos in a row may fail: more is a fault of the list or the pipeline, not bad luck."""


@DATASETS.register_module()
class CheckedVideoDataset(VideoDataset):
    """MMAction2's ``VideoDataset`` that names what is wrong with its list before training starts.

    Each sample is drawn with random numbers that depend on (seed, epoch, index) alone, when the
    sampler is a :class:`~cbm_plugin.engine.seeding.SeededSampler`. In training, a video that fails
    is replaced by the next one that does not; the sample carries what failed, for
    :class:`~cbm_plugin.recognition.video_faults.VideoFaultHook` to count. In testing, a video that
    fails is replaced by a black one: its label still counts, so that no score gets better by a
    broken file.

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
                f'{some_names(missing)}. Set data_prefix=dict(video=DIR) to the folder that the '
                "list's paths start from")
        if self.check == 'open':
            bad = [f'{name} ({fault})' for name in names for fault in [_open_fault(name)] if fault]
            if bad:
                raise ValueError(f'{self.ann_file} lists {len(bad)} of {len(names)} videos that '
                                 f'cannot be opened: {some_names(bad)}. Repair them or take them '
                                 "off the list; with check='exists' they are replaced in training")

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
                           f'read: {some_names([": ".join(fault) for fault in faults])}')

    def _in_black(self, idx: int) -> Any:
        info = self.get_data_info(idx)
        info['filename'] = black_video()
        return self.pipeline(info)


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


def _short(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
