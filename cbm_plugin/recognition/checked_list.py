"""What all checked lists of videos share: a check before training, and samples that never fail."""
import os
from abc import abstractmethod
from typing import Any, List, Optional, Sequence

from ..data_root import inside, listed
from ..engine.sample_faults import SurvivingSamples, some_names


class CheckedListMixin(SurvivingSamples):
    """Checks the list of one of MMAction2's data sets; stands before it among the bases.

    What becomes of a video that fails in spite of it, and how samples are drawn, is said in
    :class:`~cbm_plugin.engine.sample_faults.SurvivingSamples`.

    A data set says how its lines and files are checked: :attr:`name_key`, :attr:`prefix_key`,
    :attr:`missing_remedy`, :meth:`line_fault`, :meth:`missing_file`, :meth:`open_fault` and
    :meth:`blacken`.
    """

    what = 'video'

    name_key: str
    """Where a video's entry has its path."""

    prefix_key: str
    """Which entry of ``data_prefix`` is the folder that paths start from."""

    missing_remedy: str
    """What to set where files are missing."""

    def __init__(self, ann_file: str, pipeline: Sequence[Any], num_classes: Optional[int] = None,
                 check: str = 'exists', **options: Any) -> None:
        if check not in ('exists', 'open'):
            raise ValueError(f"check is '{check}': use 'exists' or 'open'")
        self.check = check
        super().__init__(ann_file, pipeline, num_classes=num_classes, **options)

    @abstractmethod
    def line_fault(self, line: str) -> str:
        """What is wrong with a line of the list, and what to do; '' if nothing."""

    @abstractmethod
    def missing_file(self, video: dict) -> str:
        """The path that a listed video lacks; '' if it is there."""

    @abstractmethod
    def open_fault(self, video: dict) -> str:
        """Why a video cannot be opened; '' if it can."""

    def name_of(self, info: dict) -> str:
        """The video's path, as listed."""
        return info[self.name_key]

    def load_data_list(self) -> List[dict]:
        """Read and check the list."""
        if not os.path.isfile(self.ann_file):
            raise FileNotFoundError(
                f'the list of videos {self.ann_file} does not exist: set ann_file, or, with our '
                'config for a folder of videos, DATA_ROOT=DIR in the environment')
        self._check_lines()
        videos = super().load_data_list()
        if not videos:
            raise ValueError(f'the list of videos {self.ann_file} is empty')
        self._keep_inside(videos)
        self._check_files(videos)
        if not self.multi_class:
            self._check_labels(videos)
        return videos

    def _check_lines(self) -> None:
        with open(self.ann_file) as lines:
            for number, line in enumerate(lines, start=1):
                fault = self.line_fault(line.strip())
                if fault:
                    raise ValueError(f"{self.ann_file}, line {number}: '{line.strip()}' {fault}")

    def _keep_inside(self, videos: List[dict]) -> None:
        root = self.data_prefix[self.prefix_key] or ''
        for number, video in enumerate(videos, start=1):
            path = listed(root, video[self.name_key])
            video[self.name_key] = inside(root, path, f'{self.ann_file}, line {number}')

    def _check_labels(self, videos: List[dict]) -> None:
        for number, video in enumerate(videos, start=1):
            if self.num_classes is not None and not 0 <= video['label'] < self.num_classes:
                raise ValueError(f"{self.ann_file}, line {number}: label {video['label']} of "
                                 f'{video[self.name_key]} is outside 0..{self.num_classes - 1}: '
                                 'correct the list, or set num_classes')

    def _check_files(self, videos: List[dict]) -> None:
        missing = list(filter(None, map(self.missing_file, videos)))
        if missing:
            raise FileNotFoundError(
                f'{self.ann_file} lists {len(missing)} of {len(videos)} videos that do not exist: '
                f'{some_names(missing)}. {self.missing_remedy}')
        if self.check == 'open':
            bad = [f'{video[self.name_key]} ({fault})' for video in videos
                   for fault in [self.open_fault(video)] if fault]
            if bad:
                raise ValueError(f'{self.ann_file} lists {len(bad)} of {len(videos)} videos that '
                                 f'cannot be opened: {some_names(bad)}. Repair them or take them '
                                 "off the list; with check='exists' they are replaced in training")
