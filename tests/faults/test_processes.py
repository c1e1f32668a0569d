"""Of two processes one is lost: the other does not wait for ever. Bad batches stop neither."""
from pathlib import Path

import pytest

from . import processes


@pytest.mark.parametrize('how, victim', [('killed', 1), ('frozen', 0)])
def test_a_process_whose_fellow_is_lost_ends_by_itself_and_says_so(tmp_path: Path, how: str,
                                                                   victim: int) -> None:
    assert processes.lose(tmp_path, how, victim, moment=2)


def test_a_batch_that_overflows_in_one_process_is_skipped_by_both(tmp_path: Path) -> None:
    assert processes.skip(tmp_path, seed=0, video=4) == (True, 0)
