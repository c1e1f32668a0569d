"""Damaged videos raise an error where decord 0.6.0 would end or fill the process.

What would end the process is read in a loader's worker, as in a run: its death is an error here.
"""
import random
from pathlib import Path
from typing import List

import pytest
from mmaction.registry import TRANSFORMS
from torch.utils.data import DataLoader, Dataset

import cbm_plugin.recognition  # noqa: F401  (registers the transforms)
from cbm_plugin.video.reader import MAX_BYTES, declared_frames, open_video

from ..faults.damage import FRAMES, HEIGHT, WIDTH, declaring_frames, declaring_size, write_good


class Opened(Dataset):
    """How many frames the transform DecordInit finds in each file, or why it cannot tell."""

    def __init__(self, paths: List[Path]) -> None:
        self.paths = paths
        self.transform = TRANSFORMS.build(dict(type='DecordInit'))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> str:
        try:
            return str(self.transform(dict(filename=str(self.paths[index])))['total_frames'])
        except ValueError as error:
            return str(error)


def in_a_worker(paths: List[Path]) -> List[str]:
    return [found for found, in DataLoader(Opened(paths), batch_size=1, num_workers=1)]


@pytest.fixture(scope='module')
def mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('videos') / 'good.mp4'
    write_good(path, 0)
    return path


@pytest.fixture(scope='module')
def avi(mp4: Path) -> Path:
    path = mp4.with_suffix('.avi')
    write_good(path, 0)
    return path


def damaged(good: Path, name: str, content: bytes) -> Path:
    path = good.with_name(name)
    path.write_bytes(content)
    return path


def test_good_files_have_their_frames(mp4: Path, avi: Path) -> None:
    assert in_a_worker([mp4, avi, mp4.with_suffix('')]) == [str(FRAMES)] * 3
    reader = open_video(str(mp4))
    assert reader.frame_size == (HEIGHT, WIDTH)
    assert reader.get_batch([3, 4]).shape == (2, HEIGHT, WIDTH, 3)
    assert declared_frames(str(avi)) == FRAMES


def test_files_that_were_cut_off_anywhere_do_not_end_a_worker(avi: Path) -> None:
    content, rng = avi.read_bytes(), random.Random(0)
    cut = [damaged(avi, f'cut_{i}.avi', content[:rng.randrange(300, len(content))])
           for i in range(20)]
    found = in_a_worker(cut)
    assert len(found) == 20 and 0 < sum(text.isdigit() for text in found)


@pytest.mark.parametrize('count', [1 << 30, 2 ** 32 - 1])
def test_a_header_that_declares_endless_frames_does_not_end_a_worker(avi: Path,
                                                                     count: int) -> None:
    path = damaged(avi, f'{count}.avi', declaring_frames(avi.read_bytes(), count))
    message, = in_a_worker([path])
    assert f'{count}.avi' in message and 'its header declares' in message


def test_frames_too_large_to_be_meant_are_refused_before_one_is_decoded(mp4: Path) -> None:
    path = damaged(mp4, 'huge.mp4', declaring_size(mp4.read_bytes(), 8191, 8191))
    with pytest.raises(ValueError, match=r'huge\.mp4 cannot be opened .*8191x8191 pixels'):
        open_video(str(path))


def test_a_batch_that_would_fill_the_memory_is_refused_before_it_is_decoded(mp4: Path) -> None:
    path = damaged(mp4, 'large.mp4', declaring_size(mp4.read_bytes(), 4000, 8000))
    reader = open_video(str(path))
    with pytest.raises(ValueError, match=r'large\.mp4: 45 frames of 8000x4000 .* ask for fewer'):
        reader.get_batch([0] * 45)
    assert 44 * 4000 * 8000 * 3 <= MAX_BYTES


def test_a_file_without_a_video_in_it_is_named(tmp_path: Path) -> None:
    for name, content in (('empty.mp4', b''), ('text.avi', b'no video' * 100)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f'{name} cannot be opened as a video'):
            open_video(str(tmp_path / name))
