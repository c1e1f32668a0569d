"""Freed memory goes back to the system while a training runs."""
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from cbm_plugin.engine import TrimHeapHook

PIECE = 64 * 1024  # below the size from which on glibc asks the system for each piece
MANY = 2000  # 125 MB together


def resident_megabytes() -> float:
    """Of this process."""
    text = Path(f'/proc/{os.getpid()}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+) kB', text)[1]) / 1024


def test_free_pieces_between_used_ones_are_returned_at_the_interval() -> None:
    hook = TrimHeapHook(interval=10)
    pieces = [bytearray(PIECE) for _ in range(MANY)]
    kept = pieces[::2]
    del pieces  # every second piece is free, and none of them lies at the heap's end
    broken_up = resident_megabytes()
    hook.after_train_iter(SimpleNamespace(iter=8), 8)
    assert resident_megabytes() > broken_up - 20
    hook.after_train_iter(SimpleNamespace(iter=9), 9)
    assert resident_megabytes() < broken_up - 40
    assert all(piece.count(0) == PIECE for piece in kept)


def test_an_interval_of_no_iterations_is_refused() -> None:
    with pytest.raises(ValueError, match='interval is 0'):
        TrimHeapHook(interval=0)
