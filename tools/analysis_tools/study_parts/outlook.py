"""What a study says while it runs: how far it is, and how long it will take."""
import sys
import time
from typing import Dict, Iterable, List, Optional, Tuple

from .execute import Order, Training
from .store import DONE, Result

TELL = 30
"""Seconds between two lines about runs that take long."""


class Outlook:
    """How far a study is, and how long it will take by what its runs took so far.

    Args:
        total: runs to do.
        jobs: at a time.
        results: what is known of the time that a cell takes.
    """

    def __init__(self, total: int, jobs: int, results: Iterable[Result]) -> None:
        self.total, self.jobs, self.done = total, jobs, 0
        self.times: Dict[Tuple[str, str], float] = {}
        for result in results:
            self._learn(result)
        self.next_line = time.monotonic() + TELL

    def note(self, result: Result) -> None:
        """A run has ended."""
        self.done += 1
        self._learn(result)

    def _learn(self, result: Result) -> None:
        if result['status'] == DONE:
            self.times[result['task'], result['cell']] = result['seconds']

    def seconds_of(self, order: Order) -> Optional[float]:
        """Of the cell, else the mean of its task's cells, else that of all, else None."""
        task, cell = order.run.task.name, order.run.cell.name
        of_task = [seconds for (other, _), seconds in self.times.items() if other == task]
        known = [self.times[task, cell]] if (task, cell) in self.times else \
            of_task or [*self.times.values()]
        return sum(known) / len(known) if known else None

    def left(self, waiting: List[Order], running: List[Training]) -> str:
        """``', about 3 min left'``, empty while nothing is known."""
        expected = [(self.seconds_of(order), 0.0) for order in waiting] + [
            (self.seconds_of(training.order), training.seconds) for training in running]
        if any(seconds is None for seconds, _ in expected):
            return ''
        left = sum(max(seconds - gone, 0) for seconds, gone in expected) / self.jobs
        return f', about {left / 60:.0f} min left' if left >= 90 else f', about {left:.0f} s left'

    def tell(self, order: Order, waiting: List[Order], running: List[Training]) -> None:
        """A line at the start of a run."""
        number = self.total - len(waiting)
        say(f'run {number} of {self.total}{self.left([order, *waiting], running)}: {order.run}')
        self.next_line = time.monotonic() + TELL

    def tell_if_long(self, waiting: List[Order], running: List[Training]) -> None:
        """A line every half a minute in which no run starts."""
        if running and time.monotonic() >= self.next_line:
            first = running[0]
            say(f'{self.done} of {self.total} runs done{self.left(waiting, running)}: '
                 f'{first.order.run} since {first.seconds:.0f} s')
            self.next_line = time.monotonic() + TELL


def say(line: str) -> None:
    """A line on stderr, at once."""
    print(line, file=sys.stderr, flush=True)
