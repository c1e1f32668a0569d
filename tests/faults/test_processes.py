"""Of two processes one is lost: the other does not wait for ever. Bad batches stop neither."""
from pathlib import Path

import pytest

from . import processes


@pytest.mark.parametrize('how, victim', [('killed', 1), ('frozen', 0)])
def test_a_process_whose_fellow_is_lost_ends_by_itself_and_says_so(tmp_path: Path, how: str,
                                                                   victim: int) -> None:
    assert processes.lose(tmp_path, how, victim, moment=2)


def test_both_processes_go_on_as_if_a_batch_that_overflows_in_one_had_not_been(
        tmp_path: Path) -> None:
    both_left_it_out, tensors_that_differ = processes.overflow_in_one(tmp_path, seed=0, video=4)
    assert both_left_it_out and tensors_that_differ == 0


def test_so_they_do_if_only_the_last_clip_of_it_overflows(tmp_path: Path) -> None:
    # after the forward pass of the last clip they are about to average gradients; the two last
    # frames of this video are in a last clip, and in no other, in both epochs
    both_left_it_out, tensors_that_differ = processes.overflow_in_one(
        tmp_path, seed=0, video=2, bad_frames=2)
    assert both_left_it_out and tensors_that_differ == 0
