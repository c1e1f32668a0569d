"""Trainings on two processes, of which one is killed, freezes, or meets a batch that overflows."""
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from cbm_plugin.engine.launch import init_cpu_process_group, leave_process_group
from cbm_plugin.progress import Progress

from ..tiny_run import ROOT
from .features import FRAMES, VIDEOS, features_config, write_features
from .numbers import LeaveOut, differing, skips_noted, state
from .outcome import Outcome

TRAIN = str(ROOT / 'tools/train.py')
LOST = {
    'killed': 'one of two processes killed: the other ends by itself and says so',
    'frozen': 'one of two processes stops answering: the other ends by itself and says so',
    'torchrun': 'one of two processes killed under torchrun: all end, and the killed one is named'}
SKIPPED = 'a batch overflows in one of two processes: both skip it, and go on'
ANSWER = 10
"""Seconds that a process waits for another before it gives it up."""
BOUND = 300
"""Seconds after which a process counts as hanging."""


class Ended(NamedTuple):
    """How a process ended, and all that it printed."""
    code: int
    output: str


def run(folder: Path, tried: int, seed: int) -> List[Outcome]:
    """Each of the cases in turn, at iterations drawn from the seed."""
    rng = np.random.default_rng(seed)
    progress = Progress('processes', tried)
    done: Counter = Counter()
    good: Counter = Counter()
    lost = 0
    for case in range(tried):
        how = [*LOST, 'skipped'][case % (len(LOST) + 1)]
        done[how] += 1
        if how == 'skipped':
            survived, differ = overflow_in_one(folder / str(case), seed + case,
                                               int(rng.integers(VIDEOS)))
            lost += differ
        else:
            survived = lose(folder / str(case), how, int(rng.integers(2)),
                            1 + int(rng.integers(20)))
        good[how] += survived
        progress.update(case + 1)
    outcomes = [Outcome(text, done[how], good[how], 0, f'it waits {ANSWER} s for an answer'
                        if how == 'frozen' else '') for how, text in LOST.items() if done[how]]
    if done['skipped']:
        outcomes.append(Outcome(SKIPPED, done['skipped'], good['skipped'], lost,
                                'both end as without the batch, to the last bit'))
    return outcomes


# --- a process is lost


def lose(folder: Path, how: str, victim: int, moment: int) -> bool:
    """Lose a process after so many iterations; returns whether the other ended as it should."""
    write_features(folder, seed=0)
    cfg = features_config(folder, folder / 'run', **{
        'train_cfg.max_epochs': 10_000, 'param_scheduler.0.total_steps': 10_000,
        'env_cfg.dist_cfg.timeout': ANSWER})
    cfg.dump(folder / 'config.py')
    if how == 'torchrun':
        ended = lose_under_torchrun(folder, victim, moment)
        words = 'Signal 9 (SIGKILL) received'
    else:
        blow = signal.SIGKILL if how == 'killed' else signal.SIGSTOP
        ended = lose_of_two(folder, victim, blow, moment)
        words = f'error: process {1 - victim} of 2 stops, since another ended, or did not answer'
    good = ended.code == 1 and words in ended.output
    if not good:
        print(f'exit code {ended.code}:\n{ended.output}')
    return good


def lose_of_two(folder: Path, victim: int, blow: int, moment: int) -> Ended:
    """Two processes without anyone who looks after them; returns the end of the other one.

    Raises:
        RuntimeError: they ended before.
    """
    processes, outputs = start_two(train, folder)
    bound = end_after_bound(processes)
    before, reached = read(outputs[0], moment)
    if reached:
        os.kill(processes[victim].pid, blow)
    left = 1 - victim
    output, _ = read(outputs[left])
    processes[left].join()
    bound.cancel()
    processes[victim].kill()
    processes[victim].join()
    for pipe in outputs:
        pipe.close()
    if not reached:
        raise RuntimeError(f'the processes ended before one was lost:\n{before}{output}')
    return Ended(processes[left].exitcode, output)


def lose_under_torchrun(folder: Path, victim: int, moment: int) -> Ended:
    """Two processes started as ``tools/dist_train.sh`` does; returns the end of torchrun."""
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    torchrun = subprocess.Popen(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2',
         f'--master_port={free_port()}', TRAIN, 'config.py', '--launcher', 'pytorch'],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    bound = end_after_bound([torchrun])
    before, reached = read(torchrun.stdout, moment)
    if reached:
        workers = Path(f'/proc/{torchrun.pid}/task/{torchrun.pid}/children').read_text().split()
        os.kill(int(workers[victim]), signal.SIGKILL)
    output, _ = read(torchrun.stdout)
    torchrun.wait()
    bound.cancel()
    torchrun.stdout.close()
    if not reached:
        raise RuntimeError(f'torchrun ended before a process was lost:\n{before}{output}')
    return Ended(torchrun.returncode, output)


def train(folder: Path) -> None:
    """``tools/train.py`` on the config of the folder."""
    sys.argv = [TRAIN, str(folder / 'config.py'), '--launcher', 'pytorch']
    runpy.run_path(TRAIN, run_name='__main__')


# --- a batch overflows


def overflow_in_one(folder: Path, seed: int, video: int,
                    bad_frames: int = FRAMES) -> Tuple[bool, int]:
    """Train on a video whose last ``bad_frames`` overflow, in one of two processes.

    Returns:
        Whether both trained on and left out the same iterations, and how many tensors differ from
        those of a training that never saw the video.
    """
    write_features(folder / 'good', seed)
    write_features(folder / 'bad', seed, bad=video, bad_frames=bad_frames)
    (folder / 'video').write_text(f'v{video}')
    processes, outputs = start_two(skip_and_leave_out, folder)
    bound = end_after_bound(processes)
    printed = [read(pipe)[0] for pipe in outputs]
    for process, pipe in zip(processes, outputs):
        process.join()
        pipe.close()
    bound.cancel()
    if any(process.exitcode for process in processes):
        print('\n'.join(printed))
        return False, 0
    ranks = [torch.load(folder / f'rank{rank}.pth', weights_only=True) for rank in range(2)]
    noted = ranks[0]['noted'] == ranks[0]['left_out'] == ranks[1]['left_out']
    # running statistics are a process's own
    return noted, sum(differing(rank['skipping'], rank['without']) for rank in ranks)


def skip_and_leave_out(folder: Path) -> None:
    """A training that skips, and one that knows which iterations to leave out."""
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(timeout=BOUND))))
    init_cpu_process_group('pytorch', cfg)
    without = LeaveOut((folder / 'video').read_text())
    results = dict(without=state(train_one_of_two(folder, 'good', without)))
    skipping = train_one_of_two(folder, 'bad')
    rank = int(os.environ['RANK'])
    results.update(skipping=state(skipping), left_out=without.iterations,
                   noted=skips_noted(skipping) if rank == 0 else None)
    torch.save(results, folder / f'rank{rank}.pth')
    del skipping
    leave_process_group()


def train_one_of_two(folder: Path, data: str, hook: Optional[Hook] = None) -> Runner:
    """This process's part of a training that skips."""
    runner = Runner.from_cfg(features_config(
        folder / data, folder / f'run_{data}', launcher='pytorch', **{
            'train_dataloader.batch_size': 2, 'default_hooks.numbers.action': 'skip'}))
    if hook is not None:
        runner.register_hook(hook)
    runner.train()
    return runner


# --- pairs of processes


def start_two(work: Callable[[Path], None], folder: Path) -> Tuple[List[Any], List[Any]]:
    """Two processes forked from this one, of one thread each, and what they print."""
    port, context = free_port(), multiprocessing.get_context('fork')
    processes, outputs = [], []
    for rank in range(2):
        printed, end = os.pipe()
        processes.append(context.Process(target=work_as, args=(work, folder, rank, port, end)))
        processes[-1].start()
        os.close(end)
        outputs.append(os.fdopen(printed, errors='replace'))
    return processes, outputs


def work_as(work: Callable[[Path], None], folder: Path, rank: int, port: int, output: int) -> None:
    """What a process does: as a launcher would have started it, printing into the pipe."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, 'w', buffering=1), os.fdopen(2, 'w', buffering=1)
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2',
                      MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    work(folder)


def read(pipe: Any, moment: int = -1) -> Tuple[str, bool]:
    """What is printed until so many iterations are logged (and whether they were), or to the end.
    """
    lines = []
    for line in pipe:
        lines.append(line)
        moment -= 'Epoch(train)' in line
        if moment == 0:
            break
    return ''.join(lines), moment == 0


def end_after_bound(processes: List[Any]) -> threading.Timer:
    """Kills the processes that run longer than any should."""
    timer = threading.Timer(BOUND, lambda: [process.kill() for process in processes])
    timer.start()
    return timer


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
