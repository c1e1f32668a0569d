"""Timing side by side: A B C A B C ..., so that a change of the machine's mood meets all alike."""
import sys
import time
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

import torch

from .bound import Bound
from .contenders import StackRun, stacks_of
from .memory import Memory, memory_of
from .shapes import Shape

Key = Tuple[str, str]
"""Implementation and dtype."""
Timings = Dict[Tuple[Key, str], List[Optional[float]]]
"""Seconds of ``(key, mode)`` in each round; None in a round that it sat out."""
Contender = Union[StackRun, Bound]

MODES = ('forward', 'train', 'step')
FEWEST_ROUNDS, MOST_ROUNDS = 3, 25
WARM_UP_SECONDS = 5.0  # the first round counts only where it was longer


class Result:
    """All that was measured of one shape."""

    def __init__(self, shape: Shape, timings: Timings, memory: Dict[Key, Memory],
                 layout: str) -> None:
        self.shape, self.timings, self.memory, self.layout = shape, timings, memory, layout


class Progress:
    """A line on stderr now and then, with an estimate of the time left.

    The estimate starts from the FLOPs of the shapes and is corrected by how it went so far.
    """

    def __init__(self, shapes: Sequence[Shape], budget: float) -> None:
        self.costs = [budget + shape.train_flops / 1e10 for shape in shapes]
        self.start = time.monotonic()
        self.last = -60.0

    def say(self, number: int, shape: Shape, share: float, what: str) -> None:
        """``share`` (0 to 1) of shape ``number`` (from 0) is done, and ``what`` begins."""
        now = time.monotonic() - self.start
        if now - self.last < 5:
            return
        self.last = now
        done = sum(self.costs[:number]) + share * self.costs[number]
        pace = now / done if share or number else 1.0
        left = max(sum(self.costs) - done, 0.0) * pace
        print(f'[{number + 1}/{len(self.costs)}] {shape.label}: {what}; {now / 60:.1f} min gone, '
              f'about {left / 60:.1f} min left', file=sys.stderr, flush=True)


def measure_shape(shape: Shape, dtype: str, device: torch.device, *, repeats: Optional[int],
                  budget: float, say: Callable[[float, str], None]) -> Result:
    """Memory first, which tells what does not fit, then rounds of timing."""
    memory: Dict[Key, Memory] = {}
    stacks = stacks_of(dtype)
    for number, key in enumerate(stacks):
        say(0.4 * number / len(stacks), f'memory of {" ".join(key)}')
        needed = memory_of(shape, *key, device)
        if needed is None:
            print(f'{shape.label}: {" ".join(key)} does not fit into memory: left out',
                  file=sys.stderr)
        else:
            memory[key] = needed
    wait = torch.cuda.synchronize if device.type == 'cuda' else lambda: None
    bound = Bound(shape, dtype, device, wait)
    contenders: List[Contender] = [
        *(StackRun(shape, *key, device) for key in memory if 'convlstm' not in key[0]), bound,
        *(StackRun(shape, *key, device) for key in memory if 'convlstm' in key[0])]
    for contender in contenders:
        contender.warm_up()
    timings = interleave(contenders, wait, repeats, budget,
                         lambda share, what: say(0.4 + 0.6 * share, what))
    return Result(shape, timings, memory, bound.layout)


def interleave(contenders: Sequence[Contender], wait: Callable[[], None], repeats: Optional[int],
               budget: float, say: Callable[[float, str], None]) -> Timings:
    """Rounds in which each contender runs once in each of its modes.

    ``repeats`` rounds, or as many as ``budget`` seconds allow (3 to 25). Where even 3 do not fit,
    ConvLSTMs, whose steps are the longest and which nothing else is compared with, sit out the
    rounds beyond the budget. A short first round is a warm-up and does not count.
    """
    say(0.0, 'round 1')
    start = time.monotonic()
    rounds = [_round(contenders, wait)]
    if time.monotonic() - start < WARM_UP_SECONDS:
        rounds, start = [], time.monotonic()
    while True:
        spent = (time.monotonic() - start) / budget
        if repeats is None:
            done = min(max(spent, len(rounds) / MOST_ROUNDS), len(rounds) / FEWEST_ROUNDS)
        else:
            done = len(rounds) / repeats
        if done >= 1:
            break
        say(done, f'round {len(rounds) + 1}')
        late = repeats is None and len(rounds) > 0 and spent > 1
        taking_part = [c for c in contenders if not (late and 'convlstm' in c.key[0])]
        rounds.append(_round(taking_part, wait))
    return {name: [seconds.get(name) for seconds in rounds] for name in rounds[0]}


def _round(contenders: Sequence[Contender],
           wait: Callable[[], None]) -> Dict[Tuple[Key, str], float]:
    return {(contender.key, mode): _time(contender, mode, wait)
            for mode in MODES for contender in contenders if mode in contender.modes}


def _time(contender: Contender, mode: str, wait: Callable[[], None]) -> float:
    contender.prepare(mode)
    wait()
    start = time.perf_counter()
    getattr(contender, mode)()
    wait()
    seconds = time.perf_counter() - start
    return seconds / contender.steps if mode == 'step' else seconds
