"""Whatever ends a training, the resumed one is the one that was left alone."""
from pathlib import Path

from .kills import run


def test_a_training_killed_four_times_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    outcomes = run(tmp_path, tried=4, seed=0)
    assert [outcome for outcome in outcomes if not outcome.good] == []
    assert [outcome.tried for outcome in outcomes] == [1, 1, 1, 1, 1]
