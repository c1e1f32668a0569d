"""Beginnings of videos: how many frames a ratio shows, and the transform that shows no more."""
from pathlib import Path

import numpy as np
import pytest

import cbm_plugin.recognition  # noqa: F401  (registers everything)
from cbm_plugin.overlap import ClipPlan
from cbm_plugin.recognition.observation import RATIOS, check_ratios, observed_frames
from cbm_plugin.registry import TRANSFORMS
from cbm_plugin.synthetic.video import write_mp4


def beginning(**options: object) -> object:
    return TRANSFORMS.build(dict(type='ObserveBeginning', **options))


@pytest.mark.parametrize('length, ratio, expected', [
    (30, 0.1, 3), (25, 0.1, 3), (10, 0.25, 3), (1, 0.1, 1), (7, 1.0, 7), (100, 0.07, 7)])
def test_a_ratio_shows_its_share_of_the_frames_rounded_up(length: int, ratio: float,
                                                          expected: int) -> None:
    assert observed_frames(length, ratio) == expected


def test_tenths_of_any_length_are_exact() -> None:
    for length in range(1, 500):
        assert [observed_frames(length, ratio) for ratio in RATIOS] == [
            -(-length * tenths // 10) for tenths in range(1, 11)]


@pytest.mark.parametrize('ratio', [0, -0.1, 1.01])
def test_a_ratio_outside_its_bound_is_refused_with_the_bound(ratio: float) -> None:
    with pytest.raises(ValueError, match=r'must lie in \(0, 1\]'):
        beginning(ratio=ratio)
    with pytest.raises(ValueError, match=r'must lie in \(0, 1\]'):
        check_ratios([ratio])


def test_ratio_zero_is_told_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match='0 shows no frame at all'):
        observed_frames(10, 0)


@pytest.mark.parametrize('ratios', [[], [0.5, 0.2], [0.5, 0.5]])
def test_ratios_that_do_not_rise_are_refused(ratios: list) -> None:
    with pytest.raises(ValueError, match='rising numbers'):
        check_ratios(ratios)


@pytest.mark.parametrize('options', [dict(), dict(frames=2, ratio=0.5), dict(frames=0)])
def test_one_option_and_at_least_one_frame(options: dict) -> None:
    with pytest.raises(ValueError, match='give one of them|at least 1'):
        beginning(**options)


def test_only_the_first_two_frames_of_a_real_video_are_decoded(tmp_path: Path) -> None:
    frames = np.repeat(np.arange(0, 200, 20, dtype=np.uint8), 64 * 64 * 3).reshape(10, 64, 64, 3)
    write_mp4(tmp_path / 'video.mp4', frames)
    results = dict(filename=str(tmp_path / 'video.mp4'))
    for step in (dict(type='DecordInit'), dict(type='SampleSequence', frame_interval=3),
                 dict(type='ObserveBeginning', frames=2), dict(type='DecordDecode')):
        results = TRANSFORMS.build(step)(results)
    assert [int(image.mean().round(-1)) for image in results['imgs']] == [0, 60]
    assert results['clip_plan'] == ClipPlan.whole(2) and results['clip_len'] == 2


def test_a_shorter_video_is_shown_whole() -> None:
    assert len(beginning(frames=5)(dict(frame_inds=np.arange(3)))['frame_inds']) == 3


def test_several_clips_have_no_one_beginning() -> None:
    results = TRANSFORMS.build(dict(type='SampleOverlapClips', num_clips=2, min_len=2, max_len=4))(
        dict(total_frames=9))
    with pytest.raises(ValueError, match='the sampler gave 2 clips'):
        beginning(ratio=0.5)(results)
    with pytest.raises(ValueError, match='the sampler gave 3 clips'):
        beginning(ratio=0.5)(dict(frame_inds=np.arange(9), num_clips=3))
