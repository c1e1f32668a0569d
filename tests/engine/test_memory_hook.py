"""What allocators and forks would keep in a long training is bounded, shared or given back."""
import gc
import json
import os
import re
import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Optional

import pytest
import torch
from mmengine.runner import LogProcessor, Runner

from cbm_plugin.engine import SteadyMemoryHook

from ..tiny_run import ROOT, tiny_config

PIECE = 64 * 1024  # below the size from which on glibc asks the system for each piece
MANY = 2000  # 125 MB together


def runner_at(iteration: int) -> SimpleNamespace:
    """What the hook looks at of a runner that has logged nothing yet."""
    return SimpleNamespace(
        iter=iteration, train_loop=None, val_loop=None, log_processor=LogProcessor(),
        message_hub=SimpleNamespace(log_scalars={}))


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
    hook.after_train_iter(runner_at(8), 8)
    assert resident_megabytes() > broken_up - 20
    hook.after_train_iter(runner_at(9), 9)
    assert resident_megabytes() < broken_up - 40
    assert all(piece.count(0) == PIECE for piece in kept)


def test_an_interval_of_no_iterations_is_refused() -> None:
    with pytest.raises(ValueError, match='interval is 0'):
        SteadyMemoryHook(interval=0)


def test_a_history_of_no_values_is_refused() -> None:
    with pytest.raises(ValueError, match='history is 0'):
        SteadyMemoryHook(history=0)


def kept_values(folder: Path, hook: dict, *, epochs: int = 2, **changes: object) -> int:
    """Losses that a small training of 5 iterations an epoch keeps to its end."""
    cfg = tiny_config(folder, 'history', **{
        'train_cfg.max_epochs': epochs, 'param_scheduler.0.total_steps': epochs,
        'train_dataloader.dataset.num_clips': 20, 'train_dataloader.batch_size': 4,
        'default_hooks.memory': dict(type='SteadyMemoryHook', interval=1, **hook), **changes})
    runner = Runner.from_cfg(cfg)
    runner.train()
    losses, _ = runner.message_hub.get_scalar('train/loss').data
    return len(losses)


@pytest.mark.parametrize('hook, log, kept', [
    (dict(history=7), {}, 7), (dict(history=7), dict(window_size=9), 9),
    (dict(history=2), dict(custom_cfg=[dict(
        data_src='loss', log_name='mean', method_name='mean', window_size='epoch')]), 5),
    (dict(history=2), dict(custom_cfg=[dict(
        data_src='loss', log_name='mean', method_name='mean', window_size='global')]), 10)])
def test_of_a_logged_number_are_kept_as_many_values_as_are_asked_for_or_looked_at(
        tmp_path: Path, hook: dict, log: dict, kept: int) -> None:
    log = dict(type='LogProcessor', by_epoch=True, **{'window_size': 3, **log})
    assert kept_values(tmp_path, hook, log_processor=log) == kept


def test_a_training_that_keeps_little_logs_what_one_that_keeps_all_logs(tmp_path: Path) -> None:
    logged = []
    for history in (1, 1000):
        folder = tmp_path / str(history)
        kept_values(folder, dict(history=history))
        lines = next(folder.rglob('scalars.json')).read_text().splitlines()
        logged.append([{key: value for key, value in json.loads(line).items() if 'time' not in key}
                       for line in lines])
    assert logged[0] == logged[1] and len(logged[0]) > 4


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
from tests.engine.test_memory_hook import runner_at
gc.disable()
objects = [[number] for number in range(500_000)]
if {hooked}:
    SteadyMemoryHook().before_train(runner_at(0))
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


STEP = """
import os, re
import torch
from cbm_plugin.engine import SteadyMemoryHook
from tests.engine.test_memory_hook import runner_at

def shared_kilobytes():
    text = open('/proc/self/smaps_rollup').read()
    return int(re.search(r'Shared_Dirty: +([0-9]+) kB', text)[1])

def step(times):
    for _ in range(times):
        optimizer.step()
        kept.append(torch.empty(1))  # so that the next label lies elsewhere

optimizer, kept = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))]), []
step(3000)
if {hooked}:
    SteadyMemoryHook().before_train(runner_at(0))
reading, writing = os.pipe()
if os.fork():
    step(3000)
    shared = shared_kilobytes()
    step(4000)
    print(shared - shared_kilobytes())
else:
    os.close(writing)
    os.read(reading, 1)  # until the parent has ended
"""


def kilobytes_copied_in_steps(hooked: bool) -> int:
    """Of those that a process shares with a worker, while it takes optimizer steps."""
    return int(subprocess.run(
        [sys.executable, '-c', STEP.format(hooked=hooked)], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'), check=True).stdout)


def test_labels_for_a_profiler_that_does_not_run_copy_no_pages_shared_with_a_worker() -> None:
    assert kilobytes_copied_in_steps(hooked=False) > 2 * kilobytes_copied_in_steps(hooked=True)


def test_a_profiler_sees_its_labels_in_a_training_and_gets_pytorchs_own_back_after_it() -> None:
    hook, own = SteadyMemoryHook(), torch.autograd.profiler.record_function
    hook.before_train(runner_at(0))
    try:
        with torch.autograd.profiler.record_function('unseen'), torch.profiler.profile() as seen:
            torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))]).step()
    finally:
        hook.after_train(runner_at(0))
    assert 'Optimizer.step#SGD.step' in [event.key for event in seen.key_averages()]
    assert torch.autograd.profiler.record_function is own


def test_after_a_training_what_it_leaves_behind_is_collected_as_ever() -> None:
    class Cycle:
        """Refers to itself."""

    left = Cycle()
    left.itself = left
    gone = weakref.ref(left)
    hook = SteadyMemoryHook()
    hook.before_train(runner_at(0))
    del left
    gc.collect()
    assert gone() is not None  # out of the collector's sight
    hook.after_train(None)
    gc.collect()
    assert gone() is None
