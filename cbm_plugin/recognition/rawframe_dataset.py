"""Lists of folders of images, checked before training; they survive bad images during it."""
import os
import re
from typing import Any, Iterable, List, Sequence

import cv2
import numpy as np
from mmaction.datasets import RawframeDataset

from ..registry import DATASETS
from .checked_list import CheckedListMixin
from .video_faults import BLACK_FRAMES, black_image


@DATASETS.register_module()
class CheckedRawframeDataset(CheckedListMixin, RawframeDataset):
    """MMAction2's ``RawframeDataset``, the twin of ``CheckedVideoDataset`` for folders of images.

    A pipeline has no ``DecordInit``, and ``RawFrameDecode`` after the sampler. Images must lie on
    a disk. What becomes of a folder that lacks frames or holds broken ones, and how samples are
    drawn, is said in :class:`~cbm_plugin.engine.sample_faults.SurvivingSamples`. A JPEG that was
    cut off is shown as far as it goes, as OpenCV does.

    Frame n (from 0) of a video is the image ``filename_tmpl.format(n + start_index + offset)``.

    Args:
        ann_file: lines of ``path frames label``; ``path offset frames label`` with
            ``with_offset=True``. Paths have no white space.
        pipeline: transforms.
        filename_tmpl: names of the images. Default ``'img_{:05}.jpg'``, MMAction2's.
        modality: ``'RGB'`` (default) alone: MMAction2's ``FormatShape`` makes one frame of all
            optical flow of a clip, and our layers need a sequence.
        options: ``num_classes`` as ``CheckedVideoDataset``; ``check='exists'`` (default) looks
            whether each folder holds its first frame, ``check='open'`` whether it holds all of
            them, and decodes the first. The rest as ``RawframeDataset``: ``start_index`` is 1.

    Raises:
        FileNotFoundError: folders or their first frames are missing, with their names.
        ValueError: a template or line is none, a path leads out of ``data_prefix``, a label is out
            of range, frames are missing.
        RuntimeError: (when drawn) twenty videos in a row fail.
    """

    name_key = 'frame_dir'
    prefix_key = 'img'
    missing_remedy = ("Set data_prefix=dict(img=DIR) to the folder that the list's paths start "
                      'from, and filename_tmpl and start_index to the names of the images')

    def __init__(self, ann_file: str, pipeline: Sequence[Any],
                 filename_tmpl: str = 'img_{:05}.jpg', modality: str = 'RGB',
                 **options: Any) -> None:
        if modality != 'RGB':
            raise ValueError(f"modality is '{modality}', but must be 'RGB': FormatShape would make "
                             'one frame of all optical flow of a clip')
        if not _takes_number(filename_tmpl):
            raise ValueError(f"filename_tmpl is '{filename_tmpl}', but must have one place for "
                             "the number, as 'img_{:05}.jpg'")
        super().__init__(ann_file, pipeline, filename_tmpl=filename_tmpl, modality=modality,
                         **options)

    def line_fault(self, line: str) -> str:
        """It must be ``path [offset] frames [label]``, with at least one frame."""
        _, *numbers = line.split() or ['']
        needed = 1 + self.with_offset
        whole = all(re.fullmatch(r'-?[0-9]+', number) for number in numbers)
        too_many = len(numbers) > needed + 1 and not self.multi_class
        if len(numbers) < needed or too_many or not whole:
            offset = 'offset ' if self.with_offset else ''
            return (f"is not 'path {offset}frames label' in whole numbers; paths with white space "
                    'must be renamed, and lists of offsets need with_offset=True')
        if int(numbers[needed - 1]) < 1 or int(numbers[0]) < 0:
            return 'has less than one frame, or a negative offset: correct it or take it off'
        return ''

    def missing_file(self, video: dict) -> str:
        """The folder, or its first frame."""
        if not os.path.isdir(video['frame_dir']):
            return video['frame_dir']
        first, = self.images(video, [self.start_index])
        return '' if os.path.isfile(first) else first

    def open_fault(self, video: dict) -> str:
        """All listed frames must be there, and the first decodable."""
        first = self.start_index
        images = self.images(video, range(first, first + video['total_frames']))
        lacking = [image for image in images if not os.path.isfile(image)]
        if lacking:
            return f'lacks {len(lacking)} of {len(images)} images: {os.path.basename(lacking[0])}' \
                   + (', ...' if len(lacking) > 1 else '')
        return _first_fault(images[:1])

    def reason(self, video: dict, error: Exception) -> str:
        """Name the image: OpenCV's error does not."""
        chosen = np.ravel(video.get('frame_inds', ()))  # the sampler has left them here
        return _first_fault(self.images(video, chosen)) or super().reason(video, error)

    def blacken(self, video: dict) -> None:
        """Show one black image as every frame: a template without a place is the same for all."""
        video['frame_dir'], video['filename_tmpl'] = os.path.split(black_image())
        video['total_frames'] = BLACK_FRAMES

    def images(self, video: dict, indices: Iterable[int]) -> List[str]:
        """The files of frames, whose indices count from ``start_index`` on."""
        return [os.path.join(video['frame_dir'], self.filename_tmpl.format(
            int(index) + video.get('offset', 0))) for index in indices]


def _takes_number(template: str) -> bool:
    try:
        return template.format(1) != template.format(2)
    except (IndexError, KeyError, ValueError):
        return False


def _first_fault(images: Iterable[str]) -> str:
    for image in images:
        if not os.path.isfile(image):
            return f'{os.path.basename(image)} is missing'
        if cv2.imread(image) is None:
            return f'{os.path.basename(image)} cannot be decoded'
    return ''
