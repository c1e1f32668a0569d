"""Batches that overflow, in real files: nothing is learned from them, nothing else is lost."""
from pathlib import Path

from . import numbers


def test_a_batch_that_overflows_stops_the_training_or_leaves_no_trace(tmp_path: Path) -> None:
    for outcome in numbers.run(tmp_path, tried=1, seed=3):
        assert outcome.good, outcome
