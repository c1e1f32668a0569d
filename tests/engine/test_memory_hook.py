"""What allocators and forks would keep in a long training is bounded, shared or given back."""
import gc
import os
import re
import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Optional

import pytest

from cbm_plugin.engine import SteadyMemoryHook

from ..tiny_run import ROOT

PIECE = 64 * 1024  # below the size from which on glibc asks the system for each piece
MANY = 2000  # 125 MB together


def resident_megabytes() -> float:
    """Of this process."""
    text = Path(f'/proc/{os.getpid()}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+) kB', text)[1]) / 1024


def test_free_pieces_between_used_ones_are_returned_at_the_interval() -> None:
    hook = SteadyMemoryHook(interval=10)
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
        SteadyMemoryHook(interval=0)


def test_fewer_than_no_primitives_are_refused() -> None:
    with pytest.raises(ValueError, match='onednn_primitives is -1'):
        SteadyMemoryHook(onednn_primitives=-1)


CONVOLVE = """
import torch
from cbm_plugin.engine import SteadyMemoryHook
SteadyMemoryHook(onednn_primitives={kept}).before_run(None)
layer = torch.nn.Conv2d(8, 8, 3)
with torch.no_grad():
    for _ in range(2):
        for length in (3, 4, 5):
            layer(torch.zeros(length, 8, 16, 16))
"""


@pytest.mark.parametrize('kept, wanted, compiled', [(2, None, 6), (128, None, 3), (128, '2', 6)])
def test_onednn_keeps_as_many_compiled_convolutions_as_the_hook_or_the_environment_says(
        kept: int, wanted: Optional[str], compiled: int) -> None:
    environment = dict(os.environ, ONEDNN_VERBOSE='2', PYTHONPATH=str(ROOT))
    environment.pop('ONEDNN_PRIMITIVE_CACHE_CAPACITY', None)
    if wanted:
        environment['ONEDNN_PRIMITIVE_CACHE_CAPACITY'] = wanted
    told = subprocess.run([sys.executable, '-c', CONVOLVE.format(kept=kept)], env=environment,
                          stdout=subprocess.PIPE, check=True, text=True).stdout
    assert len(re.findall('create:cache_miss,cpu,convolution', told)) == compiled


FORK = """
import gc, os, re, sys
from cbm_plugin.engine import SteadyMemoryHook
gc.disable()
objects = [[number] for number in range(500_000)]
if {hooked}:
    SteadyMemoryHook().before_train(None)
if os.fork():
    os.wait()
else:
    gc.collect()
    text = open('/proc/self/smaps_rollup').read()
    print(int(re.search(r'Private_Dirty: +([0-9]+) kB', text)[1]) // 1024)
"""


def private_megabytes_after_a_collection(hooked: bool) -> int:
    """Of a forked process with half a million objects of its parent, which collects garbage."""
    return int(subprocess.run(
        [sys.executable, '-c', FORK.format(hooked=hooked)], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)), check=True).stdout)


def test_collecting_garbage_leaves_shared_what_a_worker_has_from_the_training_process() -> None:
    assert private_megabytes_after_a_collection(hooked=False) > 30  # so much it would copy
    assert private_megabytes_after_a_collection(hooked=True) < 15


def test_after_a_training_what_it_leaves_behind_is_collected_as_ever() -> None:
    class Cycle:
        """Refers to itself."""

    left = Cycle()
    left.itself = left
    gone = weakref.ref(left)
    hook = SteadyMemoryHook()
    hook.before_train(None)
    del left
    gc.collect()
    assert gone() is not None  # out of the collector's sight
    hook.after_train(None)
    gc.collect()
    assert gone() is None
