"""Lists of videos that are checked before training, and that survive a bad file during it."""
import os

from mmaction.datasets import VideoDataset

from ..engine.sample_faults import short
from ..registry import DATASETS
from ..video.reader import open_video
from .checked_list import CheckedListMixin
from .video_faults import black_video


@DATASETS.register_module()
class CheckedVideoDataset(CheckedListMixin, VideoDataset):
    """MMAction2's ``VideoDataset`` that names what is wrong with its list before training starts.

    What becomes of a video that fails later, and how samples are drawn, is said in
    :class:`~cbm_plugin.engine.sample_faults.SurvivingSamples`.

    Args:
        ann_file: lines of ``path label``.
        pipeline: transforms.
        num_classes: labels must lie in ``0..num_classes - 1``. Default None: not checked.
        check: ``'exists'`` (default) looks whether each file is there; ``'open'`` also opens each
            one and reads its number of frames (about 2 ms each).
        options: as ``VideoDataset``.

    Raises:
        FileNotFoundError: files are missing, with their names.
        ValueError: a line has no label, a path leads out of ``data_prefix``, a label is out of
            range, a file cannot be opened.
        RuntimeError: (when drawn) twenty videos in a row fail.
    """

    name_key = 'filename'
    prefix_key = 'video'
    missing_remedy = ("Set data_prefix=dict(video=DIR) to the folder that the list's paths start "
                      'from')

    def line_fault(self, line: str) -> str:
        """It must be ``path`` or ``path label``."""
        parts = line.split(self.delimiter)
        is_label = parts[-1].lstrip('-').isdigit()
        if self.multi_class or len(parts) == 1 or (len(parts) == 2 and is_label):
            return ''
        return (f"is not 'path{self.delimiter}label' with a whole number as label; set `delimiter` "
                'if paths contain spaces')

    def missing_file(self, video: dict) -> str:
        """The video itself."""
        return '' if os.path.isfile(video['filename']) else video['filename']

    def open_fault(self, video: dict) -> str:
        """decord must open it, and find frames."""
        try:
            open_video(video['filename'])
        except ValueError as error:
            return short(error)
        return ''

    def blacken(self, video: dict) -> None:
        """Show the black video."""
        video['filename'] = black_video()
