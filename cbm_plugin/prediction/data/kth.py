"""KTH's six actions, with the split and the test windows of the field's future prediction."""
import os
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

from ...engine.sample_faults import some_names
from ...registry import DATASETS
from .video_clips import Clip, VideoClipDataset
from .video_folder import videos_below

PERSONS = dict(train=tuple(range(1, 17)), test=tuple(range(17, 26)))
"""Of MCnet's split, which the field took over (KTH's own, of 2004, is another)."""

FAST = ('jogging', 'running')
"""Actions whose clips are short: people cross the picture in a second."""

FAST_STEP = 3
"""Frames between MCnet's test windows of these."""

NAME = re.compile(r'person(\d\d)_([a-z]+)_d\d')


class ListedSequence(NamedTuple):
    """A line of a list: frames ``first`` to ``last`` of a video, counted from 1."""
    name: str
    first: int
    last: int


@DATASETS.register_module()
class KTHActions(VideoClipDataset):
    """KTH's video files, cut into the sequences of a list.

    The files (``person01_boxing_d1_uncomp.avi``) may lie in ``data_root`` or in folders below it,
    as its six archives give them. A list is either KTH's own ``00sequences.txt``
    (``person01_boxing_d1  frames  1-95, 96-185, ...``: it says where a person is in the picture),
    or one of MCnet's (``person01_boxing_d1 1 95`` on each line: ``train_data_list_trimmed.txt``,
    ``test_data_list.txt``). MCnet's leave out more: in jogging, running and walking, the frames
    before the person has entered the picture wholly. Both count frames from 1.

    By default a window is as in MCnet's released code (rubenvillegas/iclr2017mcnet), whose test the
    paper took over: grey, stretched to 128x128, 10 frames seen, 10 predicted in training and 20 in
    testing, all frames of the video (no stride).

    Args:
        data_root: the folder with the files, and the list.
        ann_file: the list. Default KTH's own.
        persons: whose sequences are taken. Default None: 1 to 16 in training, 17 to 25 in testing,
            as MCnet's.
        num_inputs: default 10.
        num_outputs: default None: 10 in training, 20 in testing.
        size, fit, colour: default 128x128, stretched, grey.
        test_windows: ``'mcnet'`` (default): the windows of MCnet's test; see :meth:`window_starts`.
            The others as
            :class:`~cbm_plugin.prediction.data.video_clips.VideoClipDataset`.
        min_motion: default 0: published figures include every window.
        options: as :class:`~cbm_plugin.prediction.data.video_clips.VideoClipDataset`.

    Raises:
        FileNotFoundError: the list or files of it are missing: how many, and the first ten.
        ValueError: lines of the list cannot be read, or a person has no sequence in it; see also
            :class:`~cbm_plugin.prediction.data.video_clips.VideoClipDataset`.
    """

    TEST_WINDOWS = ('mcnet', 'tiled', 'first', 'middle')

    def __init__(self, data_root: str = '', ann_file: str = '00sequences.txt',
                 persons: Optional[Iterable[int]] = None, num_inputs: int = 10,
                 num_outputs: Optional[int] = None, size: Any = 128, fit: str = 'stretch',
                 test_windows: str = 'mcnet', min_motion: float = 0.0, test_mode: bool = False,
                 **options: Any) -> None:
        self.persons = tuple(PERSONS['test' if test_mode else 'train'] if persons is None
                             else persons)
        if num_outputs is None:
            num_outputs = 20 if test_mode else 10
        super().__init__(num_inputs, num_outputs, data_root=data_root, ann_file=ann_file,
                         data_prefix=dict(video=''), size=size, fit=fit,
                         test_windows=test_windows, min_motion=min_motion, test_mode=test_mode,
                         **options)

    def list_clips(self) -> List[Clip]:
        """The sequences of the chosen persons, in the order of the list."""
        sequences = [sequence for sequence in read_sequences(self.ann_file)
                     if _person(sequence.name) in self.persons]
        absent = sorted(set(self.persons) - {_person(sequence.name) for sequence in sequences})
        if absent:
            raise ValueError(f'{self.ann_file} has no sequence of the persons {absent}: choose '
                             'others by persons=(...), or take the list of the other split')
        files = self._files()
        missing = sorted({sequence.name for sequence in sequences} - set(files))
        if missing:
            raise FileNotFoundError(
                f'{self.ann_file} names {len(missing)} videos that are not in {self._folder} or '
                f'below: {some_names([f"{name}_uncomp.avi" for name in missing])}. {len(files)} '
                "videos with KTH's names are there; unpack all six archives into data_root, or "
                'choose persons=(...)')
        return [Clip(sequence.name, files[sequence.name], sequence.first - 1, sequence.last)
                for sequence in sequences]

    def window_starts(self, clip: Clip) -> Sequence[int]:
        """First frames (from 0) of the test windows of a clip.

        ``'mcnet'`` repeats ``test_kth.py``: every ``num_outputs`` frames, in jogging and running
        every 3, from the frame *after* the clip's first on, since the code takes the list's
        numbers, which count from 1, for numbers from 0. The last window ends at least 2 frames
        before the clip does.
        """
        if self.test_windows != 'mcnet':
            return super().window_starts(clip)
        assert clip.stop is not None
        match = NAME.match(clip.name)
        step = FAST_STEP if match and match.group(2) in FAST else self.test_step
        return range(clip.start + 1, clip.stop - self.span - 1, step)

    @property
    def _folder(self) -> str:
        return self.data_root or '.'

    def _files(self) -> Dict[str, str]:
        """Names without ``_uncomp.avi`` -> files."""
        if not os.path.isdir(self._folder):
            raise FileNotFoundError(f'the folder {self._folder} of KTH does not exist: set '
                                    'data_root, or DATA_ROOT=DIR in the environment with our '
                                    'config')
        found = {}
        for path in videos_below(self._folder):
            match = re.fullmatch(r'(person\d\d_[a-z]+_d\d)_uncomp\.avi', os.path.basename(path))
            if match:
                found.setdefault(match.group(1), os.path.join(self._folder, path))
        return found


def read_sequences(path: str) -> List[ListedSequence]:
    """All sequences of a list: KTH's own ``00sequences.txt``, or one of MCnet's.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: lines cannot be read, or there is no sequence.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"the list of sequences {path} does not exist: KTH's own 00sequences.txt comes from "
            "the data set's page, MCnet's from data/KTH of its repository; put it into data_root, "
            'and name it by ann_file')
    with open(path, encoding='utf-8') as file:
        lines = [(number, line.strip()) for number, line in enumerate(file, start=1)]
    is_kths = any(re.search(r'\sframes\s', line) for _, line in lines)
    sequences: List[ListedSequence] = []
    bad = []
    for number, line in lines:
        if not line or (is_kths and not NAME.match(line)):  # KTH's begins with some sentences
            continue
        found = _kths_line(line) if is_kths else _mcnets_line(line)
        if found is None:
            bad.append(f"line {number}: '{line}'")
        else:
            sequences += found
    if bad:
        form = ('person01_boxing_d1 frames 1-95, 96-185' if is_kths else 'person01_boxing_d1 1 95')
        raise ValueError(f"{path}: {len(bad)} lines are not as '{form}', with frames from 1 on: "
                         f'{some_names(bad)}')
    if not sequences:
        raise ValueError(f'{path} lists no sequence of KTH')
    return sequences


def _kths_line(line: str) -> Optional[List[ListedSequence]]:
    """None if it cannot be read. Of one video KTH says that it is missing: it has no sequence."""
    match = re.fullmatch(rf'({NAME.pattern})\s+(?:frames\s+(.*)|\*missing\*)', line)
    if match is None:
        return None
    ranges = [part.strip() for part in (match.group(4) or '').split(',') if part.strip()]
    numbers = [re.fullmatch(r'(\d+)\s*-\s*(\d+)', part) for part in ranges]
    if any(number is None for number in numbers):
        return None
    return _checked([ListedSequence(match.group(1), int(number.group(1)), int(number.group(2)))
                     for number in numbers if number])


def _mcnets_line(line: str) -> Optional[List[ListedSequence]]:
    match = re.fullmatch(rf'({NAME.pattern})\s+(\d+)\s+(\d+)', line)
    if match is None:
        return None
    return _checked([ListedSequence(match.group(1), int(match.group(4)), int(match.group(5)))])


def _checked(sequences: List[ListedSequence]) -> Optional[List[ListedSequence]]:
    return sequences if all(1 <= one.first <= one.last for one in sequences) else None


def _person(name: str) -> int:
    match = NAME.match(name)
    assert match is not None
    return int(match.group(1))
