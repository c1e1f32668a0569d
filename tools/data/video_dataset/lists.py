"""The official lists of UCF-101, HMDB-51 and Kinetics-400, and splits of a folder of videos.

Each reader gives `Split`s, whose items are paths relative to the folder of videos, with labels.
"""
import csv
import hashlib
import random
import re
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Sequence, Tuple

VIDEO_SUFFIXES = ('.avi', '.mp4', '.mkv', '.webm', '.mov', '.mpg', '.mpeg', '.m4v')


class Item(NamedTuple):
    """A video: its path, relative to the folder of videos, and its class."""
    path: str
    label: int


class Split(NamedTuple):
    """One list: ``number`` of the split (0 where there is one only), and which part of it."""
    number: int
    part: str
    items: List[Item]


class Lists(NamedTuple):
    """Everything a data set's annotation says; ``missing`` are videos without a file."""
    classes: List[str]
    splits: List[Split]
    missing: List[str]


class ListError(ValueError):
    """Something in the lists or folders is wrong; the message says what, where and what to do."""


def read_lines(path: Path) -> List[str]:
    """Lines of a file that are not empty.

    Raises:
        ListError: the file does not exist or is empty.
    """
    if not path.is_file():
        raise ListError(f'{path} does not exist: set --annotations to the folder of the official '
                        'lists, unpacked')
    lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        raise ListError(f'{path} is empty: unpack the official lists again')
    return lines


class VideoFolder:
    """The videos, or folders of raw frames, below a folder: found by path, or by stem."""

    def __init__(self, root: Path, raw_frames: bool) -> None:
        if not root.is_dir():
            raise ListError(f'the folder of videos {root} does not exist: set --videos')
        self.root, self.raw_frames = root, raw_frames
        if raw_frames:
            found = {image.parent for image in root.rglob('*') if image.suffix in ('.jpg', '.png')}
        else:
            found = {video for video in root.rglob('*') if video.suffix.lower() in VIDEO_SUFFIXES
                     and video.is_file()}
        self.paths = {path.relative_to(root).as_posix() for path in found if path != root}
        if not self.paths:
            wanted = ('folders of jpg or png images' if raw_frames
                      else f'videos ({", ".join(VIDEO_SUFFIXES)})')
            raise ListError(f'{root} has no {wanted}: set --videos')
        self.by_stem: Dict[str, List[str]] = {}
        for path in sorted(self.paths):
            self.by_stem.setdefault(self.stem(path), []).append(path)

    def stem(self, path: str) -> str:
        """The name of a video without folder and suffix."""
        name = path.rsplit('/', 1)[-1]
        suffix = name.rfind('.')
        is_video = suffix > 0 and name[suffix:].lower() in VIDEO_SUFFIXES
        return name[:suffix] if is_video else name

    def find(self, path: str) -> str:
        """The file of a listed video, whatever its suffix; '' where there is none."""
        if path in self.paths:
            return path
        folder = path.rsplit('/', 1)[0] if '/' in path else ''
        return next((found for found in self.by_stem.get(self.stem(path), ())
                     if found.rpartition('/')[0] == folder), '')


def located(folder: VideoFolder, wanted: Iterable[Tuple[str, int]],
            missing: List[str]) -> List[Item]:
    """Items of the videos that have a file; the others are added to ``missing``."""
    items = []
    for path, label in wanted:
        found = folder.find(path)
        if found:
            items.append(Item(found, label))
        else:
            missing.append(path)
    return items


# --- UCF-101


def read_ucf101(annotations: Path, folder: VideoFolder) -> Lists:
    """``classInd.txt``, ``trainlist0N.txt`` and ``testlist0N.txt`` (N = 1, 2, 3).

    Raises:
        ListError: a line is no such line, or a video's class is unknown or contradicts its number.
    """
    numbers = _ucf_classes(annotations / 'classInd.txt')
    splits, missing = [], []
    for number in (1, 2, 3):
        for part, name in (('train', 'trainlist'), ('val', 'testlist')):
            file = annotations / f'{name}{number:02d}.txt'
            wanted = [_ucf_video(file, line, numbers) for line in read_lines(file)]
            splits.append(Split(number, part, located(folder, wanted, missing)))
    return Lists(list(numbers), splits, missing)


def _ucf_classes(file: Path) -> Dict[str, int]:
    """Class name -> label from 0."""
    numbers: Dict[str, int] = {}
    for line in read_lines(file):
        parts = line.split()
        if len(parts) != 2 or parts[0] != str(len(numbers) + 1):
            raise ListError(f"{file}: '{line}' should be '{len(numbers) + 1} CLASS': take the "
                            'official file')
        numbers[parts[1]] = len(numbers)
    return numbers


def _ucf_video(file: Path, line: str, numbers: Dict[str, int]) -> Tuple[str, int]:
    path, _, number = line.partition(' ')
    name = path.split('/')[0]
    if name not in numbers or '/' not in path:
        raise ListError(f"{file}: the class of '{line}' is not in classInd.txt, which has "
                        f'{len(numbers)} classes: take both from one release')
    if number and number != str(numbers[name] + 1):
        raise ListError(f"{file}: '{line}' says class {number}, classInd.txt says {name} is "
                        f'{numbers[name] + 1}: take both from one release')
    return path, numbers[name]


# --- HMDB-51

HMDB_PARTS = {'1': 'train', '2': 'val', '0': None}


def read_hmdb51(annotations: Path, folder: VideoFolder) -> Lists:
    """``CLASS_test_splitN.txt``: lines ``video code``, 1 for train, 2 for test, 0 for neither.

    Classes are numbered in alphabetical order.

    Raises:
        ListError: there are no such files, a class lacks a split, or a code is another.
    """
    names = sorted({match[1] for file in annotations.glob('*_test_split*.txt')
                    for match in [re.fullmatch(r'(.+)_test_split\d\.txt', file.name)] if match})
    if not names:
        raise ListError(f'{annotations} has no files CLASS_test_splitN.txt: set --annotations to '
                        'the unpacked folder testTrainMulti_7030_splits')
    splits, missing = [], []
    for number in (1, 2, 3):
        wanted: Dict[str, List[Tuple[str, int]]] = {'train': [], 'val': []}
        for label, name in enumerate(names):
            for path, part in _hmdb_videos(annotations / f'{name}_test_split{number}.txt'):
                if part:
                    wanted[part].append((f'{name}/{path}', label))
        splits += [Split(number, part, located(folder, videos, missing))
                   for part, videos in wanted.items()]
    return Lists(names, splits, missing)


def _hmdb_videos(file: Path) -> List[Tuple[str, str]]:
    videos = []
    for line in read_lines(file):
        path, _, code = line.rpartition(' ')
        if code not in HMDB_PARTS or not path:
            raise ListError(f"{file}: '{line}' should be 'VIDEO CODE' with code 1 (train), 2 "
                            '(test) or 0 (neither): take the official file')
        videos.append((path.strip(), HMDB_PARTS[code]))
    return videos


# --- Kinetics-400


def read_kinetics400(annotations: Path, folder: VideoFolder) -> Lists:
    """``train.csv`` and ``val.csv`` with ``label, youtube_id, time_start, time_end``.

    A video's name is ``ID_000012_000022`` (or ``ID``), in any sub-folder; labels are numbered in
    alphabetical order.

    Raises:
        ListError: a column is missing, a label of one list is not in the other, or two files have
            one name.
    """
    rows = {part: _kinetics_rows(annotations, names) for part, names in
            (('train', ('train.csv',)), ('val', ('val.csv', 'validate.csv')))}
    classes = sorted({row['label'] for row in rows['train']})
    unknown = sorted({row['label'] for row in rows['val']} - set(classes))
    if unknown:
        raise ListError(f'{annotations}: val.csv has classes that train.csv lacks: '
                        f'{", ".join(unknown[:10])}. Take both from one release')
    numbers = {name: label for label, name in enumerate(classes)}
    splits, missing = [], []
    for part, videos in rows.items():
        items = []
        for row in videos:
            found = _kinetics_file(row, folder)
            if found:
                items.append(Item(found, numbers[row['label']]))
            else:
                missing.append(f"{part}: {row['label']}/{row['youtube_id']}")
        splits.append(Split(0, part, items))
    return Lists(classes, splits, missing)


def _kinetics_rows(annotations: Path, names: Sequence[str]) -> List[dict]:
    file = next((annotations / name for name in names if (annotations / name).is_file()),
                annotations / names[0])
    rows = list(csv.DictReader(read_lines(file)))
    needed = ('label', 'youtube_id', 'time_start', 'time_end')
    lacking = [name for name in needed if not rows or rows[0].get(name) is None]
    if lacking:
        raise ListError(f'{file} has no rows or lacks the columns {", ".join(lacking)}: take the '
                        'official csv')
    return rows


def _kinetics_file(row: dict, folder: VideoFolder) -> str:
    try:
        span = f"{int(float(row['time_start'])):06d}_{int(float(row['time_end'])):06d}"
    except (TypeError, ValueError):
        raise ListError(f'the row {row} has no times in seconds: take the official csv') from None
    for stem in (f"{row['youtube_id']}_{span}", row['youtube_id']):
        found = folder.by_stem.get(stem, [])
        if len(found) > 1:
            raise ListError(f'{folder.root} has two files for one video of the list: '
                            f'{found[0]} and {found[1]}. Remove one')
        if found:
            return found[0]
    return ''


# --- a folder of one's own


def split_folder(folder: VideoFolder, ratios: Sequence[float], seed: int) -> Lists:
    """Videos of ``CLASS/...`` dealt to train, val and, with three ratios, test, class by class.

    Which part a video goes to depends on the seed and the names in its class only; each part gets
    at least one video of every class.

    Raises:
        ListError: the ratios are no ratios, a video is in no class, or a class has fewer videos
            than there are parts.
    """
    if len(ratios) not in (2, 3) or min(ratios) <= 0 or abs(sum(ratios) - 1) > 1e-6:
        raise ListError(f'--ratios {" ".join(map(str, ratios))}: give two (train, val) or three '
                        '(train, val, test) numbers above 0 that add up to 1')
    loose = sorted(path for path in folder.paths if '/' not in path)
    if loose:
        raise ListError(f'{loose[0]} and {len(loose) - 1} other videos of {folder.root} are in no '
                        'class: put each into a sub-folder named after its class')
    classes = sorted({path.split('/')[0] for path in folder.paths})
    parts = ('train', 'val', 'test')[:len(ratios)]
    items: Dict[str, List[Item]] = {part: [] for part in parts}
    for label, name in enumerate(classes):
        videos = sorted(path for path in folder.paths if path.split('/')[0] == name)
        if len(videos) < len(parts):
            raise ListError(f'the class {name} has {len(videos)} videos, but {len(parts)} parts '
                            'need one each: add videos, or remove the class')
        digest = hashlib.sha256(f'{seed} {name}'.encode()).hexdigest()
        random.Random(digest).shuffle(videos)
        for part, some in zip(parts, _deal(videos, ratios)):
            items[part] += [Item(path, label) for path in sorted(some)]
    return Lists(classes, [Split(0, part, items[part]) for part in parts], [])


def _deal(videos: List[str], ratios: Sequence[float]) -> List[List[str]]:
    """Consecutive pieces of about these shares, none of them empty."""
    pieces, start = [], 0
    for index, _ in enumerate(ratios):
        later = len(ratios) - index - 1
        stop = round(sum(ratios[:index + 1]) * len(videos))
        stop = min(max(stop, start + 1), len(videos) - later)
        pieces.append(videos[start:stop])
        start = stop
    return pieces
