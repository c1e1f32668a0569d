"""Motion as channels, and the control without motion."""
import numpy as np
import pytest

from cbm_plugin.recognition import AddMotionChannels, FreezeFrame


def moving_square() -> list:
    frames = [np.full((8, 12, 3), 40, np.uint8) for _ in range(5)]
    for t, frame in enumerate(frames):
        frame[2:4, 2 * t:2 * t + 2] = 60
    return frames


def channels(**options: object) -> np.ndarray:
    return np.stack(AddMotionChannels(**options)(dict(imgs=moving_square()))['imgs'])


def test_the_frame_difference_shows_where_something_came_and_went() -> None:
    moved = channels(kinds=('frame',), keep_colour=False, gain=2)[..., 0].astype(int)
    assert (moved[0] == 128).all()
    assert (moved[2, 2:4, 4:6] == 128 + 40).all() and (moved[2, 2:4, 2:4] == 128 - 40).all()
    assert (moved[2, 5:] == 128).all()


def test_the_background_difference_shows_what_does_not_belong() -> None:
    moved = channels(kinds=('background',), keep_colour=False, gain=2)[..., 0].astype(int)
    for t in range(5):
        assert (moved[t, 2:4, 2 * t:2 * t + 2] == 128 + 40).all()
        assert (moved[t] != 128).sum() == 4


def test_colour_comes_first_and_everything_stays_uint8() -> None:
    made = channels()
    assert made.shape == (5, 8, 12, 5) and made.dtype == np.uint8
    assert np.array_equal(made[..., :3], np.stack(moving_square()))


def test_gamma_brightens_the_dark() -> None:
    assert channels(kinds=(), gamma=0.4)[0, 0, 0, 0] == round(255 * (40 / 255) ** 0.4)


@pytest.mark.parametrize('options', [dict(kinds=('flow',)), dict(kinds=(), keep_colour=False),
                                     dict(gamma=0.0)])
def test_impossible_options_are_refused(options: dict) -> None:
    with pytest.raises(ValueError):
        AddMotionChannels(**options)


def test_a_frozen_sample_shows_one_of_its_frames_everywhere() -> None:
    frames = moving_square()
    frozen = FreezeFrame()(dict(imgs=list(frames)))['imgs']
    assert len(frozen) == 5 and all(np.array_equal(frozen[0], frame) for frame in frozen)
    assert any(np.array_equal(frozen[0], frame) for frame in frames)
