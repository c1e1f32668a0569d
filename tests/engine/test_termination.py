"""SIGTERM ends a program wherever it is, with a line and a shell's exit code."""
import os
import signal
from typing import Callable, Tuple

import pytest

from cbm_plugin.engine.termination import told_of_sigterm


def ended(work: Callable[[], None], last_words: Callable[[], str]) -> Tuple[int, str]:
    """What becomes of a process of its own: its wait status, and what it wrote to stderr."""
    output, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(end, 2)
        with told_of_sigterm(last_words):
            work()
        os._exit(0)
    os.close(end)
    with os.fdopen(output) as written:
        text = written.read()
    return os.waitpid(child, 0)[1], text


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def terminate_where_all_is_caught() -> None:
    try:
        terminate()
    except:  # noqa: E722  (as MMEngine's Config.pretty_text has it)
        pass


@pytest.mark.parametrize('work', [terminate, terminate_where_all_is_caught])
def test_the_exit_code_is_143_and_the_line_says_what_is_left(work: Callable[[], None]) -> None:
    status, text = ended(work, lambda: 'epoch_3.pth stands')
    assert os.WEXITSTATUS(status) == 143 and text == 'ended by SIGTERM; epoch_3.pth stands\n'


def test_it_ends_also_where_the_last_words_fail() -> None:
    status, text = ended(terminate, lambda: str(1 / 0))
    assert os.WEXITSTATUS(status) == 143 and text == ''


def test_afterwards_the_signal_means_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with told_of_sigterm(str):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_forked_process_is_ended_as_ever() -> None:
    with told_of_sigterm(str):
        child = os.fork()
        if child == 0:
            terminate()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
    assert os.WTERMSIG(status) == signal.SIGTERM
