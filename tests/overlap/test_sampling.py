"""Drawn clips keep what their options promise; the authors' sampling is theirs to the frame."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbm_plugin.overlap import fixed_stride_clips, random_clips, sequence_frames
from cbm_plugin.overlap.sampling import SHORT_POLICIES

from ..layers.golden import load


@st.composite
def options(draw: st.DrawFn) -> dict:
    min_len = draw(st.integers(1, 8))
    return dict(length=draw(st.integers(min_len, 40)), num_clips=draw(st.integers(1, 6)),
                min_len=min_len, max_len=min_len + draw(st.integers(0, 8)),
                min_overlap=draw(st.integers(0, min_len)), seed=draw(st.integers(0, 2**31)))


def draw_plan(length: int, seed: int, **chosen: object) -> object:
    return random_clips(length, np.random.default_rng(seed), **chosen)


@settings(max_examples=300, deadline=None)
@given(options())
def test_clips_keep_lengths_number_and_overlaps(chosen: dict) -> None:
    plan = draw_plan(**chosen)
    assert len(plan.clips) == chosen['num_clips']
    for clip in plan.clips:
        assert chosen['min_len'] <= clip.length <= chosen['max_len']
    if chosen['min_overlap']:
        shared = dict(plan.pairs)
        for k in range(1, chosen['num_clips']):
            assert shared[k].length >= chosen['min_overlap']


@settings(max_examples=300, deadline=None)
@given(options())
def test_covering_clips_contain_every_item_or_say_why_they_cannot(chosen: dict) -> None:
    longest = min(chosen['max_len'], chosen['length'])
    needed = chosen['length'] + (chosen['num_clips'] - 1) * chosen['min_overlap']
    if chosen['num_clips'] * longest < needed:
        with pytest.raises(ValueError, match='cannot cover'):
            draw_plan(cover=True, **chosen)
        return
    plan = draw_plan(cover=True, **chosen)
    assert len(plan.positions) == chosen['length']
    shared = dict(plan.pairs)
    for k in range(1, len(plan.clips)) if chosen['min_overlap'] else ():
        assert shared[k].length >= chosen['min_overlap']


def test_every_item_and_every_length_can_be_drawn() -> None:
    rng = np.random.default_rng(0)
    plans = [random_clips(20, rng, num_clips=2, min_len=3, max_len=6) for _ in range(500)]
    assert {p for plan in plans for p in plan.positions} == set(range(20))
    assert {clip.length for plan in plans for clip in plan.clips} == {3, 4, 5, 6}


def test_one_seed_gives_one_plan_and_another_seed_another() -> None:
    chosen = dict(length=40, num_clips=3, min_len=4, max_len=9)
    assert draw_plan(seed=1, **chosen) == draw_plan(seed=1, **chosen)
    assert draw_plan(seed=1, **chosen) != draw_plan(seed=2, **chosen)


def test_a_sequence_shorter_than_a_clip_is_refused_or_taken_whole() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match='the sequence has 3 items, but a clip has at least '
                                         'min_len=5: lower min_len'):
        random_clips(3, rng, num_clips=2, min_len=5, max_len=8)
    plan = SHORT_POLICIES['whole'](3, rng, num_clips=2, min_len=5, max_len=8)
    assert [tuple(clip) for clip in plan.clips] == [(0, 3), (0, 3)]


def test_a_sequence_of_one_item_is_one_item() -> None:
    plan = random_clips(1, np.random.default_rng(0), num_clips=2, min_len=1, max_len=4)
    assert plan.positions.tolist() == [0]


@pytest.mark.parametrize('chosen, message', [
    (dict(num_clips=0, min_len=2, max_len=3), 'num_clips is 0'),
    (dict(num_clips=1, min_len=4, max_len=3), 'min_len=4 and max_len=3'),
    (dict(num_clips=1, min_len=2, max_len=3, min_overlap=3), 'min_overlap is 3')])
def test_options_that_contradict_each_other_are_refused(chosen: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_clips(10, np.random.default_rng(0), **chosen)


@pytest.mark.parametrize('case', range(15))
def test_the_authors_clips_are_reproduced(case: int) -> None:
    g = load('clip_sampling')
    length, clip_len, num_clips, rate = g['cases'][case].tolist()
    prefix = f'case{case:02}'
    kept, plan = fixed_stride_clips(int(length), clip_len=int(clip_len), num_clips=int(num_clips),
                                    overlap_rate=round(rate, 6))
    expected = g[f'{prefix}/imgs'].numpy()
    assert kept.tolist() == expected.tolist()
    sample = g[f'{prefix}/sample'].numpy()
    for clip, theirs in zip(plan.clips, sample):
        ours = kept[clip.start:clip.stop].tolist()
        ours += [int(kept[-1])] * (int(clip_len) - len(ours))  # they repeat the last frame
        assert ours == theirs.tolist()
    if num_clips > 1:
        stride = int(g[f'{prefix}/stride'])
        assert plan.clips[1].start - plan.clips[0].start == stride
        assert int(clip_len) - stride == int(g[f'{prefix}/overlap_frame_num'])


def test_a_sequence_is_every_nth_frame_or_so_many_spread_evenly() -> None:
    assert sequence_frames(10, 3).tolist() == [0, 3, 6, 9]
    assert sequence_frames(10, 3, offset=2).tolist() == [2, 5, 8]
    assert sequence_frames(100, num_items=4).tolist() == [12, 37, 62, 87]
    assert sequence_frames(3, num_items=8).tolist() == [0, 1, 2]
