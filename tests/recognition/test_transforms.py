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
    moved = channels(kinds=('frame',), keep_colour=False)[..., 0].astype(int)
    assert (moved[0] == 128).all()
    assert (moved[2, 2:4, 4:6] > 150).all() and (moved[2, 2:4, 2:4] < 106).all()
    assert (moved[2, 5:] == 128).all()


def test_the_background_difference_shows_what_does_not_belong() -> None:
    moved = channels(kinds=('background',), keep_colour=False)[..., 0].astype(int)
    for t in range(5):
        assert (moved[t, 2:4, 2 * t:2 * t + 2] > 150).all()
        assert (moved[t] != 128).sum() == 4


def noisy(brightness: int, flicker: float) -> list:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, flicker, (12, 32, 32, 3))
    frames = np.full((12, 32, 32, 3), float(brightness)) + noise
    for t in range(12):
        frames[t, 8:16, 2 * t:2 * t + 8] += 60
    return list(frames.clip(0, 255).round().astype(np.uint8))


def test_noise_is_taken_off_and_motion_left() -> None:
    moved = np.stack(AddMotionChannels(kinds=('frame',), keep_colour=False)(
        dict(imgs=noisy(80, 4.0)))['imgs'])[..., 0]
    still = moved[1:, 20:]  # the rows that nothing crosses
    assert (still != 128).mean() < 0.02
    assert (moved[5, 8:16, 16:18] > 150).mean() > 0.9  # the front of the square


def test_dark_and_bright_video_come_out_with_the_same_strength() -> None:
    strengths = [np.stack(AddMotionChannels(kinds=('frame',), keep_colour=False)(
        dict(imgs=noisy(*room)))['imgs']).std() for room in ((40, 1.0), (150, 3.0))]
    assert abs(strengths[0] - strengths[1]) < 2


def test_colour_comes_first_and_everything_stays_uint8() -> None:
    made = channels()
    assert made.shape == (5, 8, 12, 5) and made.dtype == np.uint8
    assert np.array_equal(made[..., :3], np.stack(moving_square()))


def test_gamma_brightens_the_dark() -> None:
    assert channels(kinds=(), gamma=0.4)[0, 0, 0, 0] == round(255 * (40 / 255) ** 0.4)


@pytest.mark.parametrize('options', [dict(kinds=('flow',)), dict(kinds=(), keep_colour=False),
                                     dict(gamma=0.0), dict(noise=-1.0)])
def test_impossible_options_are_refused(options: dict) -> None:
    with pytest.raises(ValueError):
        AddMotionChannels(**options)


def test_a_frozen_sample_shows_one_of_its_frames_everywhere() -> None:
    frames = moving_square()
    frozen = FreezeFrame()(dict(imgs=list(frames)))['imgs']
    assert len(frozen) == 5 and all(np.array_equal(frozen[0], frame) for frame in frozen)
    assert any(np.array_equal(frozen[0], frame) for frame in frames)
