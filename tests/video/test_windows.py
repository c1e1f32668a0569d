"""Frames of real files come out as asked, and files that are broken say so by name."""
from pathlib import Path

import cv2
import numpy as np
import pytest

from cbm_plugin.video.reader import open_video
from cbm_plugin.video.windows import (
    FrameFormat,
    count_frames,
    motion,
    read_frames,
)

from .videos import numbered_frames, numbers_of, spoil_frame, write_avi, write_numbered

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
GREY = FrameFormat(8)


@pytest.mark.parametrize('suffix', ['.mp4', '.avi'])
@pytest.mark.parametrize('indices', [range(3, 15), range(1, 24, 5), [20, 2, 2, 9], [0, 23]])
def test_the_frames_read_are_the_ones_asked_for(videos: Path, suffix: str, indices: list) -> None:
    frames = read_frames(str(videos / f'a{suffix}'), indices, GREY)
    assert frames.shape == (len(indices), 8, 8, 1) and frames.dtype == np.uint8
    assert numbers_of(list(frames)) == list(indices)


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('videos')
    for suffix in ('.mp4', '.avi'):
        write_numbered(root / f'a{suffix}', 24)
    return root


def test_grey_is_luma() -> None:
    grey = FrameFormat((24, 32))(PICTURE)
    luma = PICTURE @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - luma).max() <= 1


def test_rgb_stays_rgb() -> None:
    np.testing.assert_array_equal(FrameFormat((24, 32), colour='rgb')(PICTURE), PICTURE)


def test_a_crop_is_the_middle_and_shrinks_by_the_mean_of_areas() -> None:
    small = FrameFormat(12, colour='rgb')(PICTURE)
    middle = PICTURE[:, 4:28].astype(float)
    means = middle.reshape(12, 2, 12, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 0.5


def test_a_crop_of_an_upright_frame_for_a_wide_size_is_its_middle() -> None:
    upright = PICTURE.transpose(1, 0, 2)  # 32 high, 24 wide
    np.testing.assert_array_equal(FrameFormat((12, 24), colour='rgb')(upright), upright[10:22])


def test_stretching_keeps_the_whole_frame() -> None:
    small = FrameFormat((12, 8), colour='rgb', fit='stretch')(PICTURE)
    means = PICTURE.astype(float).reshape(12, 2, 8, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 0.5


def test_growing_is_linear_as_in_mcnets_code() -> None:
    grown = FrameFormat(128, fit='stretch')(PICTURE)
    theirs = cv2.cvtColor(cv2.resize(PICTURE, (128, 128)), cv2.COLOR_RGB2GRAY)
    assert np.abs(grown[..., 0].astype(int) - theirs).max() <= 1


@pytest.mark.parametrize('options, value', [
    (dict(size=0), 'size is 0'), (dict(size=(8, -1)), r'size is \(8, -1\)'),
    (dict(colour='bgr'), "colour is 'bgr'"), (dict(fit='pad'), "fit is 'pad'")])
def test_a_format_that_does_not_exist_is_refused(options: dict, value: str) -> None:
    with pytest.raises(ValueError, match=value):
        FrameFormat(**options)


def test_a_window_past_the_end_says_how_long_the_video_is(videos: Path) -> None:
    with pytest.raises(ValueError, match=r'a\.mp4 has 24 frames, but frame 24 .* shorter window'):
        read_frames(str(videos / 'a.mp4'), range(15, 25), GREY)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'gone\.mp4 does not exist'):
        open_video(str(tmp_path / 'gone.mp4'))
    (tmp_path / 'text.avi').write_text('no video' * 50)
    with pytest.raises(ValueError, match=r'text\.avi cannot be opened as a video'):
        open_video(str(tmp_path / 'text.avi'))


def test_an_mp4_file_that_is_cut_off_is_named(videos: Path, tmp_path: Path) -> None:
    whole = (videos / 'a.mp4').read_bytes()
    (tmp_path / 'cut.mp4').write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ValueError, match=r'cut\.mp4 cannot be opened'):
        count_frames(str(tmp_path / 'cut.mp4'))


def test_an_avi_file_that_is_cut_off_ends_before_the_frame_that_is_cut(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 24, 32, 3), dtype=np.uint8)
    path = Path(write_avi(tmp_path / 'a.avi', list(noise)))
    assert count_frames(str(path)) == (12, False)
    whole = read_frames(str(path), range(12), FrameFormat((24, 32)))
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    count, cut_off = count_frames(str(path))
    assert cut_off and 4 <= count <= 6
    np.testing.assert_array_equal(read_frames(str(path), range(count), FrameFormat((24, 32))),
                                  whole[:count])


def test_damage_in_the_middle_is_named_with_its_frames(tmp_path: Path) -> None:
    path = Path(write_avi(tmp_path / 'a.avi', list(numbered_frames(20))))
    spoil_frame(path, 12)
    with pytest.raises(ValueError, match=r'a\.avi: frames .* cannot be decoded .* damaged'):
        read_frames(str(path), range(20), GREY)


@pytest.mark.parametrize('claimed', [3, 50])
def test_a_header_that_lies_hides_and_invents_no_frames(tmp_path: Path, claimed: int) -> None:
    path = write_avi(tmp_path / 'a.avi', list(numbered_frames(10)), claimed)
    assert count_frames(path)[0] == (10 if claimed == 3 else 9)  # too few: perhaps cut off
    assert numbers_of(list(read_frames(path, range(9), GREY))) == list(range(9))


def test_frames_of_another_size_than_the_first_are_stretched_to_it(tmp_path: Path) -> None:
    halves = np.zeros((40, 20, 3), np.uint8)
    halves[:20] = 200
    path = write_avi(tmp_path / 'a.avi', [*numbered_frames(2), halves])
    frame = read_frames(path, [2], FrameFormat((24, 32)))[0]
    assert frame[:11].mean() > 190 and frame[13:].mean() < 10


def test_motion_is_the_mean_difference_in_grey_levels() -> None:
    frames = np.array([0, 10, 4], np.uint8).reshape(3, 1, 1, 1)
    assert motion(frames) == 8
