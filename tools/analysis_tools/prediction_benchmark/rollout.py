"""Prediction far ahead: time and memory of a frame, after few and after many."""
import multiprocessing
import os
import statistics
import sys
import time
from argparse import Namespace
from collections import deque
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

import torch
from mmengine.config import Config
from torch.profiler import ProfilerActivity, profile

from cbm_plugin.engine.user_errors import fail
from cbm_plugin.prediction.network.frame_network import FrameNetwork
from cbm_plugin.prediction.network.mcnet import MCnet
from cbm_plugin.registry import MODELS

from .rows import Goal, Row, in_turns, ratio_row
from .training import CONFIG, SIZE

NO_GROWTH = Goal(1.1, at_most=True)
# A process started by fork and exec begins with the memory of its parent; one that is forked from a
# small server does not.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(['torch', 'cbm_plugin.prediction.network.mcnet'])


def build_network(name: str, mcnet_width: int) -> FrameNetwork:
    """``'light'``, by its config, or ``'MCnet'`` with 15 CBM layers, narrow, for evaluation."""
    torch.manual_seed(0)
    if name == 'light':
        return MODELS.build(Config.fromfile(CONFIG).model.network).eval()
    return MCnet([4 * mcnet_width] * 15, width=mcnet_width, variant='prediction').eval()


def frames_ahead(network: FrameNetwork, number: int, inputs: int = 1) -> Iterator[torch.Tensor]:
    """So many predictions after ``inputs`` frames of noise, of one sequence."""
    frames = torch.rand(1, inputs, network.channels, SIZE, SIZE,
                        generator=torch.Generator().manual_seed(0))
    return network.feed_back(frames, number)


@torch.no_grad()
def seconds_of_a_step(network: FrameNetwork, number: int) -> float:
    """Of one predicted frame in a rollout of ``number``, the first excepted, which ends the inputs.

    Raises:
        SystemExit: the rollout runs off to infinity, where arithmetic takes another time.
    """
    ahead = frames_ahead(network, number)
    next(ahead)
    start = time.perf_counter()
    last, = deque(ahead, maxlen=1)
    seconds = (time.perf_counter() - start) / (number - 1)
    if not torch.isfinite(last).all():
        fail(f'after {number} frames predictions are no longer finite: the time means nothing')
    return seconds


def rollout_part(args: Namespace) -> List[Row]:
    """Time and memory of both networks."""
    rows: List[Row] = []
    for name in ('light', 'MCnet'):
        rows += [_time_row(name, args), *_memory_rows(name, args)]
    return rows


def _time_row(name: str, args: Namespace) -> Row:
    few, many = args.steps
    network = build_network(name, args.mcnet_width)
    seconds: Dict[int, List[float]] = {few: [], many: []}
    repeats = {few: max(1, many // few), many: 1}  # both run about as long

    def run(number: int) -> None:
        found = [seconds_of_a_step(network, number) for _ in range(repeats[number])]
        seconds[number].append(statistics.mean(found))

    seconds_of_a_step(network, few)  # warm up
    in_turns({str(number): lambda number=number: run(number) for number in (many, few)},
             args.rounds)
    return ratio_row(f'rollout, {_words(name, args)}: seconds a frame, {many} / {few} frames',
                     seconds[many], seconds[few], goal=NO_GROWTH)


def _memory_rows(name: str, args: Namespace) -> List[Row]:
    few, many = args.steps
    found = memory_of(name, args.mcnet_width, args.steps)
    tensors, process = ({number: values[i] / 2 ** 20 for number, values in found.items()}
                        for i in range(2))
    start = f'rollout, {_words(name, args)}'
    return [ratio_row(f'{start}: most tensors alive at once, {many} / {few} frames',
                      [tensors[many]], [tensors[few]], 'MiB', NO_GROWTH),
            ratio_row(f'{start}: memory of the whole process, {many} / {few} frames',
                      [process[many]], [process[few]], 'MiB')]


def _words(name: str, args: Namespace) -> str:
    width = f' of width {args.mcnet_width}' if name == 'MCnet' else ''
    return f'{name}{width}'


def memory_of(name: str, mcnet_width: int, numbers: Sequence[int]) -> Dict[int, Tuple[int, int]]:
    """Bytes of rollouts in a new process: most in tensors at once, and of the process at its end.

    Args:
        name, mcnet_width: see :func:`build_network`.
        numbers: of frames, of each rollout, the shortest first.
    """
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(
        target=_child, args=(sender, torch.get_num_threads(), name, mcnet_width, numbers))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise RuntimeError(f'the rollout of {name} failed: see the message above') from None
    finally:
        process.join()


def _child(sender: Connection, threads: int, name: str, mcnet_width: int,
           numbers: Sequence[int]) -> None:
    torch.set_num_threads(threads)
    network = build_network(name, mcnet_width)
    resident: List[int] = []
    for number in numbers:  # all before the profiler, which keeps what it sees
        seconds_of_a_step(network, number)
        resident.append(resident_bytes())
    most = [peak_bytes(network, number) for number in numbers]
    sender.send(dict(zip(numbers, zip(most, resident))))


@torch.no_grad()
def peak_bytes(network: FrameNetwork, number: int) -> int:
    """The most bytes that tensors of a rollout have at once, by PyTorch's own account of what it
    allocates. One input frame alone, so that nothing but steps counts. Weights that a network
    prepares once are among it unless it has run before.
    """
    with _quiet(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        for _ in frames_ahead(network, number):
            pass
    events = [event for event in profiler.profiler.kineto_results.events()
              if event.name() == '[memory]']
    alive = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        most = max(most, alive)
    return most


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the profiler's library writes to the file descriptor of stderr."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def resident_bytes() -> int:
    """Memory of this process; where the system does not tell, its peak."""
    statm = Path('/proc/self/statm')
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
    import resource  # not on Windows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024
