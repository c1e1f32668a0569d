"""An end by SIGTERM, which schedulers send before they take a machine away, is told in one line."""
import os
import signal
from contextlib import contextmanager
from types import FrameType
from typing import Iterator, Optional

EXIT_CODE = 128 + signal.SIGTERM
"""143, a shell's code for a program that SIGTERM ended."""


class Terminated(SystemExit):
    """SIGTERM came. Raised wherever the program is, so that files in work are tidied up."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within it SIGTERM raises :class:`Terminated`, in the main thread; a second one kills.

    Processes forked within it keep the system's way.
    """
    process = os.getpid()

    def end(number: int, frame: Optional[FrameType]) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != process:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
