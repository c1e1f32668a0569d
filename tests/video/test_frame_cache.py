"""A cache gives the frames that decoding gives, decodes once, and never gives old ones."""
import os
from pathlib import Path
from typing import List

import numpy as np
import pytest

from cbm_plugin.video.frame_cache import (
    FolderCache,
    FrameSource,
    MemoryCache,
    frame_source,
    identity_of,
)
from cbm_plugin.video.windows import FrameFormat

from .videos import numbered_frames, numbers_of, spoil_frame, write_avi, write_numbered

GREY = FrameFormat(8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return Path(write_numbered(tmp_path / 'a.mp4', 12))


def cache(kind: str, folder: Path, frame_format: FrameFormat = GREY) -> FrameSource:
    return frame_source(frame_format, 'memory' if kind == 'memory' else str(folder / 'kept'))


def numbers(source: FrameSource, video: Path, indices: range) -> List[int]:
    return numbers_of(list(source.read(str(video), indices)))


@pytest.mark.parametrize('kind', ['memory', 'folder'])
def test_windows_are_those_of_the_decoder_and_belong_to_the_caller(video: Path, tmp_path: Path,
                                                                   kind: str) -> None:
    source = cache(kind, tmp_path, FrameFormat((10, 14), 'rgb'))
    for indices in (range(2, 9), range(0, 12, 3)):
        plain = FrameSource(source.frame_format).read(str(video), indices)
        for _ in range(2):
            frames = source.read(str(video), indices)
            np.testing.assert_array_equal(frames, plain)
            frames[:] = 0  # must not reach what is kept


@pytest.mark.parametrize('kind', ['memory', 'folder'])
def test_a_video_is_decoded_once(video: Path, tmp_path: Path, kind: str) -> None:
    source = cache(kind, tmp_path)
    source.read(str(video), range(4))
    state = os.stat(video)
    video.write_bytes(bytes(state.st_size))  # of the same size and time, but no video any more
    os.utime(video, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert numbers(source, video, range(5, 9)) == [5, 6, 7, 8]


@pytest.mark.parametrize('kind', ['memory', 'folder'])
def test_a_video_that_changed_is_decoded_anew(video: Path, tmp_path: Path, kind: str) -> None:
    source = cache(kind, tmp_path)
    source.read(str(video), range(4))
    write_avi(video, list(numbered_frames(6)[::-1]))
    assert numbers(source, video, range(4)) == [5, 4, 3, 2]


def test_another_run_uses_the_files_and_another_format_does_not(video: Path,
                                                                tmp_path: Path) -> None:
    cache('folder', tmp_path).read(str(video), range(4))
    kept, = (tmp_path / 'kept').iterdir()
    np.save(kept, np.full((12, 8, 8, 1), 80, np.uint8))
    assert numbers(cache('folder', tmp_path), video, range(3)) == [10, 10, 10]
    assert numbers(cache('folder', tmp_path, FrameFormat(8, fit='stretch')), video,
                   range(3)) == [0, 1, 2]


@pytest.mark.parametrize('damage', ['cut', 'empty', 'pickle', 'other shape', 'other type'])
def test_a_damaged_file_is_made_anew(video: Path, tmp_path: Path, damage: str) -> None:
    cache('folder', tmp_path).read(str(video), range(4))
    kept, = (tmp_path / 'kept').iterdir()
    whole = kept.read_bytes()
    if damage in ('cut', 'empty'):
        kept.write_bytes(whole[:0 if damage == 'empty' else len(whole) - 9])
    else:
        np.save(kept, dict(pickle=np.array([{}], dtype=object), **{
            'other shape': np.zeros((12, 9, 8, 1), np.uint8),
            'other type': np.zeros((12, 8, 8, 1), np.float32)})[damage], allow_pickle=True)
    assert numbers(cache('folder', tmp_path), video, range(4, 8)) == [4, 5, 6, 7]
    assert kept.read_bytes() == whole
    assert len(list((tmp_path / 'kept').iterdir())) == 1  # no draft is left


def test_a_full_memory_decodes_the_others_each_time(video: Path, tmp_path: Path) -> None:
    source = MemoryCache(GREY, max_bytes=20 * 64)
    second = Path(write_numbered(tmp_path / 'b.mp4', 10))
    assert numbers(source, video, range(4)) == numbers(source, second, range(4)) == [0, 1, 2, 3]
    assert source.num_bytes == 12 * 64
    assert source.kept(identity_of(str(second))) is None


def test_a_video_with_a_damaged_frame_is_not_kept_and_the_damage_is_named(tmp_path: Path) -> None:
    path = Path(write_avi(tmp_path / 'a.avi', list(numbered_frames(100))))
    spoil_frame(path, 95)
    source = FolderCache(GREY, str(tmp_path / 'kept'))
    with pytest.raises(ValueError, match=r'a\.avi: frames .* cannot be decoded'):
        source.read(str(path), range(90, 100))
    assert not list((tmp_path / 'kept').iterdir())


@pytest.mark.parametrize('kind', ['memory', 'folder'])
def test_a_window_past_the_end_is_the_same_error_with_a_cache(video: Path, tmp_path: Path,
                                                              kind: str) -> None:
    source = cache(kind, tmp_path)
    for _ in range(2):
        with pytest.raises(ValueError, match='has 12 frames, but frame 12'):
            source.read(str(video), range(8, 13))


def test_a_folder_that_cannot_be_made_is_refused_at_once(video: Path) -> None:
    with pytest.raises(ValueError, match=r"cache='.*a\.mp4/kept' cannot be made a folder"):
        frame_source(GREY, str(video / 'kept'))
