"""How far a long command is, and how long it will take."""
import sys
import time
from typing import Optional


class Progress:
    """One line on stderr with the time left, from 10 seconds on, every 5 seconds.

    Args:
        what: is counted: ``'videos opened'``.
        total: how many there are; None where nobody knows (a camera).
    """

    def __init__(self, what: str, total: Optional[int]) -> None:
        self.what, self.total = what, total
        self.start = time.monotonic()
        self.next_line = self.start + 10

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.start

    def update(self, done: int) -> None:
        """``done`` of them are done."""
        now = time.monotonic()
        if now < self.next_line:
            return
        if self.total is None:
            line = f'{self.what}: {done}, {done / (now - self.start):.1f} a second'
        else:
            left = (now - self.start) / done * (self.total - done)
            line = f'{self.what}: {done} of {self.total}, {left:.0f} s left'
        print(line, file=sys.stderr, flush=True)
        self.next_line = now + 5
