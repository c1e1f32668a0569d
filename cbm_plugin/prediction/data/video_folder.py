"""Frame sequences from any folder or list of videos."""
import os
import re
from typing import Any, Dict, List, Optional

from ...data_root import inside
from ...engine.sample_faults import some_names
from ...registry import DATASETS
from ...video.windows import SUFFIXES
from .video_clips import Clip, VideoClipDataset


@DATASETS.register_module()
class VideoFrameFolder(VideoClipDataset):
    """Windows of the videos in a folder, or of those on a list.

    ::

        dict(type='VideoFrameFolder', data_root='my_videos', stride=2, pipeline=[...])
        dict(type='VideoFrameFolder', data_root='my_videos', ann_file='val_list.txt',
             test_mode=True, pipeline=[...])

    Args:
        data_root: the folder. It is searched with all its sub-folders (links are not followed)
            for files with the suffixes of videos, where there is no list.
        ann_file: a list with a video on each line: its path from the folder of ``data_prefix``,
            and perhaps labels after it, as in MMAction2's lists; labels are passed over.
        data_prefix: ``dict(video=DIR)``: a sub-folder of ``data_root``. Default: itself.
        options: what a window is: see
            :class:`~cbm_plugin.prediction.data.video_clips.VideoClipDataset`.

    Raises:
        FileNotFoundError: the folder, the list, or videos on the list do not exist, or the folder
            holds no video.
        ValueError: a path on the list leads out of the folder; see also
            :class:`~cbm_plugin.prediction.data.video_clips.VideoClipDataset`.
    """

    def __init__(self, data_root: str = '', ann_file: str = '',
                 data_prefix: Optional[Dict[str, str]] = None, **options: Any) -> None:
        super().__init__(data_root=data_root, ann_file=ann_file,
                         data_prefix=data_prefix or dict(video=''), **options)

    @property
    def folder(self) -> str:
        """What the paths start from."""
        return os.path.normpath(self.data_prefix['video'] or '.')

    def list_clips(self) -> List[Clip]:
        """The videos of the list, in its order, or of the folder, by path."""
        if not os.path.isdir(self.folder):
            raise FileNotFoundError(f'the folder of videos {self.folder} does not exist: set '
                                    'data_root, or DATA_ROOT=DIR in the environment with our '
                                    'config for a folder of videos')
        names = self._listed() if self.ann_file else videos_below(self.folder)
        return [Clip(name, os.path.join(self.folder, name)) for name in names]

    def _listed(self) -> List[str]:
        if not os.path.isfile(self.ann_file):
            raise FileNotFoundError(f'the list of videos {self.ann_file} does not exist: set '
                                    'ann_file, or leave it out to use all videos of the folder')
        with open(self.ann_file, encoding='utf-8') as file:
            lines = [(number, line.strip()) for number, line in enumerate(file, start=1)]
        names = [self._path_on(line, number) for number, line in lines if line]
        if not names:
            raise ValueError(f'the list of videos {self.ann_file} is empty')
        missing = [name for name in names if not os.path.isfile(os.path.join(self.folder, name))]
        if missing:
            raise FileNotFoundError(
                f'{self.ann_file} lists {len(missing)} of {len(names)} videos that do not exist '
                f'in {self.folder}: {some_names(missing)}. Set data_root, or '
                'data_prefix=dict(video=DIR), to the folder that its paths start from')
        return names

    def _path_on(self, line: str, number: int) -> str:
        """The path without labels; a path may itself end with a number."""
        whole = os.path.isfile(os.path.join(self.folder, line))
        name = line if whole else re.sub(r'(\s+-?\d+)+$', '', line)
        path = inside(self.folder, name, f'{self.ann_file}, line {number}')
        return os.path.relpath(path, self.folder)


def videos_below(folder: str) -> List[str]:
    """Paths of all videos below a folder, from there; hidden files are passed over.

    Raises:
        FileNotFoundError: there is none.
    """
    found = [os.path.relpath(os.path.join(path, name), folder)
             for path, _, names in os.walk(folder) for name in names
             if name.lower().endswith(SUFFIXES) and not name.startswith('.')]
    if not found:
        raise FileNotFoundError(f'{folder} and its sub-folders hold no video (files that end in '
                                f'{", ".join(SUFFIXES)}): set data_root to where they are')
    return sorted(found)
