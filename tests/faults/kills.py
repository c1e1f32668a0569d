"""Trainings that are killed at random moments and resumed, against one that was left alone."""
import multiprocessing
import os
import resource
import runpy
import signal
import sys
import threading
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Set, Tuple

import numpy as np
import torch
import torch._dynamo  # of the optimizers: imported once, for all the processes forked here

import cbm_plugin.recognition  # noqa: F401
from cbm_plugin.engine.curves import read_history
from cbm_plugin.engine.resume import newest_whole, read_whole
from cbm_plugin.progress import Progress

from ..tiny_run import DEFAULT, ROOT, cfg_options
from .outcome import Outcome

CASES = {
    'SIGKILL': 'training killed by SIGKILL and resumed',
    'SIGTERM': 'training ended by SIGTERM and resumed',
    'full disk': 'training whose disk is full while it writes a checkpoint, resumed',
    'damage': 'training killed, its newest checkpoint then cut in half, resumed',
}
COMPARED = 'these trainings at their end, compared with one that was left alone'
THE_SAME = 'weights, optimizer, schedules, best checkpoint, metrics and curve, to the last bit'

KILLS_OF_ONE = 4
"""So many times a training is killed before it is left to end."""
EPOCHS, ITERATIONS = 3, 12
MOMENTS = ('Epoch(train)', 'Epoch(val)', 'Saving checkpoint')
"""What stands in the lines of the log that a kill may follow."""
ROOM = 30_000
"""Bytes that a file may have on the full disk: logs do, a checkpoint has twice as many."""
BOUND = 300
"""Seconds after which a process counts as hanging."""


class Ended(NamedTuple):
    """How a process of the training ended, and all that it printed."""
    code: int
    output: str


def run(folder: Path, tried: int, seed: int) -> List[Outcome]:
    """Kill trainings ``tried`` times, each way in turn, at moments drawn from the seed."""
    rng = np.random.default_rng(seed)
    start(folder, 'whole')
    progress = Progress('kills', tried)
    done: Counter = Counter()
    wrong: Dict[str, List[str]] = defaultdict(list)
    differing: List[List[str]] = []
    while sum(done.values()) < tried:
        name = f'killed_{len(differing)}'
        for _ in range(min(KILLS_OF_ONE, tried - sum(done.values()))):
            how = list(CASES)[sum(done.values()) % len(CASES)]
            fault = attack(folder, name, how, 1 + int(rng.integers(4)))
            wrong[how] += [fault] if fault else []
            done[how] += 1
            progress.update(sum(done.values()))
        start(folder, name)
        differing.append(differences(folder / 'whole', folder / name))
    lost = sum(differing, [])
    return [*(Outcome(CASES[how], done[how], done[how] - len(wrong[how]), 0, '; '.join(wrong[how]))
              for how in done),
            Outcome(COMPARED, len(differing), differing.count([]), len(lost),
                    '; '.join(lost[:5]) or THE_SAME)]


def attack(folder: Path, name: str, how: str, moment: int) -> str:
    """Start or resume a training and kill it; returns what is wrong with its end, or nothing."""
    work_dir = folder / name
    broken = broken_checkpoints(work_dir)
    code, output = start(folder, name, how, moment)
    last = output.splitlines()[-1]
    torn = broken_checkpoints(work_dir) - broken
    if torn:
        return f'{how} left in pieces: {", ".join(torn)}'
    if how == 'damage':
        before, newest = checkpoints(work_dir)[-2:]
        os.truncate(newest, newest.stat().st_size // 2)
        found = newest_whole(work_dir).path
        return '' if found == before else f'{newest.name} was cut, but {found.name} taken'
    expected, words = {'SIGKILL': (-signal.SIGKILL, ''), 'SIGTERM': (143, 'ended by SIGTERM; '),
                       'full disk': (1, '(File too large); ')}[how]
    good = code == expected and words in last
    return '' if good else f'{how} ended with exit code {code} and the line: {last}'


def start(folder: Path, name: str, how: str = '', moment: int = 0) -> Ended:
    """Run ``tools/train.py --resume`` in a process of its own, attacked after so many lines.

    Raises:
        RuntimeError: it was left alone and failed, or it hung.
    """
    output, end = os.pipe()
    process = multiprocessing.get_context('fork').Process(target=train, args=(end, folder, name))
    process.start()
    os.close(end)
    hangs = threading.Timer(BOUND, process.kill)
    hangs.start()
    lines, waiting = [], how
    with os.fdopen(output, errors='replace') as printed:
        for line in printed:
            lines.append(line)
            moment -= any(word in line for word in MOMENTS)
            if waiting and moment <= 0 and can_strike(waiting, folder / name):
                strike(process.pid, waiting)
                waiting = ''
    process.join()
    hung = hangs.finished.is_set()
    hangs.cancel()
    ended = Ended(process.exitcode, ''.join(lines))
    if hung or waiting or (not how and ended.code):
        raise RuntimeError(f'{name} {"hung" if hung else "failed, or was not hit"}, exit code '
                           f'{ended.code}:\n{ended.output[-4000:]}')
    return ended


def train(output: int, folder: Path, name: str) -> None:
    """What the process does: ``tools/train.py``, printing into the pipe, on one thread."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, 'w', buffering=1), os.fdopen(2, 'w', buffering=1)
    torch.set_num_threads(1)
    os.chdir(folder)
    options = cfg_options(folder, **{
        'train_cfg.max_epochs': EPOCHS, 'param_scheduler.0.total_steps': EPOCHS,
        'train_dataloader.dataset.num_clips': 4 * ITERATIONS // EPOCHS, 'test_after_train': False,
        'default_hooks.checkpoint.by_epoch': False, 'default_hooks.checkpoint.interval': 2})
    script = str(ROOT / 'tools/train.py')
    sys.argv = [script, str(DEFAULT), '--work-dir', name, '--resume', *options]
    runpy.run_path(script, run_name='__main__')


def can_strike(how: str, work_dir: Path) -> bool:
    """Damage needs a checkpoint before the newest to fall back to."""
    return how != 'damage' or len(checkpoints(work_dir)) > 1


def strike(process: int, how: str) -> None:
    """Kill a process, or leave it too little room for its next checkpoint."""
    if how == 'full disk':
        resource.prlimit(process, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
    else:
        os.kill(process, signal.SIGTERM if how == 'SIGTERM' else signal.SIGKILL)


def checkpoints(work_dir: Path) -> List[Path]:
    """Those of iterations, the oldest first."""
    return sorted(work_dir.glob('iter_*.pth'), key=lambda path: int(path.stem.split('_')[1]))


def broken_checkpoints(work_dir: Path) -> Set[str]:
    """The names of all that cannot be read whole, the best included."""
    broken = set()
    for path in work_dir.glob('[!.]*.pth'):
        try:
            read_whole(path)
        except ValueError:
            broken.add(path.name)
    return broken


def differences(whole: Path, killed: Path) -> List[str]:
    """What is not the same, to the last bit, at the end of two trainings."""
    ours, theirs = results(whole), results(killed)
    return [f'{killed.name}: {name}' for name in sorted(ours.keys() | theirs.keys())
            if not same(ours.get(name), theirs.get(name))]


def results(work_dir: Path) -> Dict[str, Any]:
    """All numbers that a training leaves but times, by name."""
    found: Dict[str, Any] = {}
    for path in [work_dir / f'iter_{ITERATIONS}.pth', *work_dir.glob('best_*.pth')]:
        loaded = read_whole(path) if path.is_file() else {}
        for part in ('state_dict', 'optimizer', 'param_schedulers'):
            found.update(leaves(loaded.get(part), f'{path.name}/{part}'))
    history = read_history(work_dir)
    for kind, curves in (('train', history.train), ('val', history.val)):
        found.update({f'{kind} curve of {name}': curve for name, curve in curves.items()
                      if name not in ('time', 'data_time', 'memory')})
    return found


def leaves(value: Any, name: str) -> Iterator[Tuple[str, Any]]:
    """Tensors and plain values in nested dicts and lists, with their places."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f'{name}/{key}')
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            yield from leaves(item, f'{name}/{place}')
    else:
        yield name, value


def same(ours: Any, theirs: Any) -> bool:
    """Equal to the last bit."""
    if isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
        return ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    return type(ours) is type(theirs) and ours == theirs
