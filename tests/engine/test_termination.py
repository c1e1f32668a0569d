"""SIGTERM ends a program where it is, tidily, and with a shell's exit code."""
import os
import signal
from pathlib import Path

import pytest

from cbm_plugin.engine.termination import Terminated, sigterm_raises
from cbm_plugin.files import write_whole


def test_a_file_in_work_is_tidied_away_and_the_exit_code_is_143(tmp_path: Path) -> None:
    def write(draft: Path) -> None:
        draft.write_text('half')
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Terminated) as ended, sigterm_raises():
        write_whole(tmp_path / 'file.txt', write)
    assert ended.value.code == 143 and list(tmp_path.iterdir()) == []


def test_afterwards_the_signal_means_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_raises():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_forked_process_is_ended_as_ever() -> None:
    with sigterm_raises():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
    assert os.WTERMSIG(status) == signal.SIGTERM
