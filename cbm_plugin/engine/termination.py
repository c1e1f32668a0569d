"""An end by SIGTERM, which schedulers send before they take a machine away, is told in one line."""
import os
import signal
import sys
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Callable, Iterator, Optional

EXIT_CODE = 128 + signal.SIGTERM
"""143, a shell's code for a program that SIGTERM ended."""


@contextmanager
def told_of_sigterm(last_words: Callable[[], str]) -> Iterator[None]:
    """Within it SIGTERM ends the process at once, as ever, but with a line on stderr.

    An exception would not do: raised wherever the program is, it is lost in the bare ``except:`` of
    a library (MMEngine 0.10.7 has one around the text of the config, which each checkpoint holds).
    What is half written is left to who writes whole files, see :func:`write_whole`. Processes
    forked within it end as ever. For the main thread alone.

    Args:
        last_words: what is left of the work, and how to go on.
    """
    process = os.getpid()

    def end(number: int, frame: Optional[FrameType]) -> None:
        if os.getpid() != process:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        with suppress(Exception):  # it ends in any case
            sys.stdout.flush()
        with suppress(Exception):
            os.write(2, f'ended by SIGTERM; {last_words()}\n'.encode())
        os._exit(EXIT_CODE)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
