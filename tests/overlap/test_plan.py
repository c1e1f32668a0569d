"""A clip plan knows its clips, what they share, and which states are handed on."""
import pytest

from cbm_plugin.overlap import Clip, ClipPlan

PLAN = ClipPlan(12, ((0, 4), (2, 7), (8, 10)))


def test_the_positions_are_the_sorted_union_of_the_clips() -> None:
    assert PLAN.positions.tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9]


def test_the_offsets_say_where_each_clip_stands_among_the_positions() -> None:
    for clip, offset in zip(PLAN.clips, PLAN.offsets):
        found = PLAN.positions[offset:offset + clip.length].tolist()
        assert found == list(range(clip.start, clip.stop))


def test_pairs_are_the_neighbours_that_share_positions() -> None:
    assert PLAN.pairs == [(1, Clip(2, 4))]


def test_the_state_before_a_clip_comes_from_the_latest_clip_that_reached_it() -> None:
    plan = ClipPlan(20, ((0, 10), (2, 4), (4, 6), (7, 12), (15, 20)))
    assert [plan.state_source(k) for k in range(5)] == [None, 0, 1, 0, None]


def test_clips_that_start_together_start_from_the_same_state() -> None:
    plan = ClipPlan(20, ((0, 5), (3, 6), (3, 9)))
    assert [plan.state_source(k) for k in range(3)] == [None, 0, 0]


@pytest.mark.parametrize('clips, message', [
    ((), 'at least one clip'),
    (((0, 13),), r'\[0, 13\) is empty or leaves the sequence, whose positions are 0\.\.11'),
    (((3, 3),), r'\[3, 3\) is empty'),
    (((2, 5), (0, 4)), 'sorted by start')])
def test_an_impossible_plan_is_refused(clips: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClipPlan(12, clips)
