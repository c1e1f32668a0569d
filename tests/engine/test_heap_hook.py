"""The heap stays whole in a long training, and freed memory goes back to the system."""
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Optional

import pytest

from cbm_plugin.engine import TrimHeapHook

from ..tiny_run import ROOT

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


def test_fewer_than_no_primitives_are_refused() -> None:
    with pytest.raises(ValueError, match='onednn_primitives is -1'):
        TrimHeapHook(onednn_primitives=-1)


CONVOLVE = """
import torch
from cbm_plugin.engine import TrimHeapHook
TrimHeapHook(onednn_primitives={kept}).before_run(None)
layer = torch.nn.Conv2d(8, 8, 3)
with torch.no_grad():
    for _ in range(2):
        for length in (3, 4, 5):
            layer(torch.zeros(length, 8, 16, 16))
"""


@pytest.mark.parametrize('kept, wanted, compiled', [(2, None, 6), (256, None, 3), (256, '2', 6)])
def test_onednn_keeps_as_many_compiled_convolutions_as_the_hook_or_the_environment_says(
        kept: int, wanted: Optional[str], compiled: int) -> None:
    environment = dict(os.environ, ONEDNN_VERBOSE='2', PYTHONPATH=str(ROOT))
    environment.pop('ONEDNN_PRIMITIVE_CACHE_CAPACITY', None)
    if wanted:
        environment['ONEDNN_PRIMITIVE_CACHE_CAPACITY'] = wanted
    told = subprocess.run([sys.executable, '-c', CONVOLVE.format(kept=kept)], env=environment,
                          stdout=subprocess.PIPE, check=True, text=True).stdout
    assert len(re.findall('create:cache_miss,cpu,convolution', told)) == compiled
