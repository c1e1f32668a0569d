"""The pack of a sequence, and clips over its positions."""
from typing import List, Optional

import numpy as np
import pytest
import torch

from cbm_plugin.overlap import ClipPlan
from cbm_plugin.prediction.data.pack import PackFrames, SampleFrameClips


def frames(number: int = 5, shape: tuple = (4, 6, 3)) -> List[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(number)]


def packed(imgs: Optional[list] = None, **more: object) -> dict:
    results = dict(dict(imgs=frames() if imgs is None else imgs, num_inputs=3, name='run 7'),
                   **more)
    return PackFrames()(results)


def plan(length: int, seed: int = 0, **options: object) -> ClipPlan:
    np.random.seed(seed)
    step = SampleFrameClips(**{**dict(num_clips=2, min_len=2, max_len=3), **options})
    return step(dict(imgs=frames(length), name='run 7'))['clip_plan']


# --- the pack


def test_every_value_is_where_channels_first_puts_it() -> None:
    imgs = frames()
    inputs = packed(imgs)['inputs']
    assert inputs.shape == (5, 3, 4, 6) and inputs.dtype == torch.uint8
    for t in range(5):
        for channel in range(3):
            assert (inputs[t, channel].numpy() == imgs[t][:, :, channel]).all()


def test_frames_without_a_channel_are_grey() -> None:
    imgs = frames(shape=(4, 6))
    assert (packed(imgs)['inputs'][:, 0].numpy() == np.stack(imgs)).all()


def test_the_sample_says_which_frames_are_seen_and_whose_they_are() -> None:
    sample = packed(start=12)['data_samples']
    assert sample.metainfo == dict(num_inputs=3, num_outputs=2, name='run 7', start=12)
    assert 'clip_plan' not in sample


def test_a_clip_plan_is_handed_on() -> None:
    assert packed(clip_plan=ClipPlan.whole(4))['data_samples'].clip_plan == ClipPlan.whole(4)


def test_without_a_known_future_the_number_to_predict_is_kept() -> None:
    sample = packed(frames(3), num_outputs=9)['data_samples']
    assert (sample.num_inputs, sample.num_outputs) == (3, 9)


@pytest.mark.parametrize('imgs, found', [
    ([frame.astype(np.float32) for frame in frames()], 'float32'),
    ([*frames(4), frames(1)[0].astype(np.int64)], "'int64', 'uint8'"),
    ([], 'none'),
])
def test_frames_that_are_not_uint8_are_refused_by_name(imgs: list, found: str) -> None:
    with pytest.raises(ValueError, match=f'run 7: frames must be uint8.*{found}.*Normalize'):
        packed(imgs)


def test_frames_of_two_shapes_are_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r'run 7.*\(4, 6, 3\), \(4, 7, 3\).*resize'):
        packed([*frames(4), *frames(1, (4, 7, 3))])


@pytest.mark.parametrize('shape', [(4, 6, 2), (4, 6, 4), (1, 4, 6, 3)])
def test_what_is_no_grey_or_rgb_image_is_refused(shape: tuple) -> None:
    with pytest.raises(ValueError, match=r'run 7: a frame must be \(H, W, 1\) or \(H, W, 3\)'):
        packed(frames(shape=shape))


@pytest.mark.parametrize('numbers, words', [
    (dict(num_inputs=6), 'run 7 has 5 frames, but num_inputs=6'),
    (dict(num_inputs=0), 'num_inputs in 1..5'),
    (dict(num_outputs=3), 'num_inputs=3 and num_outputs=3'),
    (dict(num_inputs=5), 'num_outputs=0'),
])
def test_numbers_of_frames_that_do_not_fit_are_refused(numbers: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        packed(**numbers)


# --- clips


def test_clips_lie_over_one_position_fewer_than_frames_and_cover_them() -> None:
    for seed in range(20):
        found = plan(7, seed)
        assert found.length == 6 and len(found.clips) == 2
        assert (found.positions == np.arange(6)).all()


def test_without_cover_lengths_keep_their_bounds_and_overlap() -> None:
    plans = [plan(9, seed, cover=False, min_overlap=1) for seed in range(50)]
    assert {clip.length for found in plans for clip in found.clips} == {2, 3}
    assert all(found.clips[0].stop - found.clips[1].start >= 1 for found in plans)


def test_a_sequence_shorter_than_a_clip_is_whole_in_every_clip() -> None:
    found = plan(3, num_clips=3, min_len=5, max_len=8, min_overlap=4)
    assert found.clips == ((0, 2),) * 3


def test_clips_are_a_function_of_the_samples_seed() -> None:
    plans = [plan(20, seed, min_len=5, max_len=15) for seed in range(20)]
    assert plans[1] == plan(20, 1, min_len=5, max_len=15)
    assert len(set(plans)) > 5


def test_one_frame_has_nothing_to_predict() -> None:
    with pytest.raises(ValueError, match='run 7 has 1 frames.*at least 2'):
        plan(1)


def test_contradictory_options_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match='min_len=4 and max_len=3'):
        SampleFrameClips(num_clips=2, min_len=4, max_len=3)
