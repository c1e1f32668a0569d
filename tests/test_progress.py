"""Anything over ten seconds says how long it will take."""
import pytest

from cbm_plugin import progress
from cbm_plugin.progress import Progress


def lines(total: object, monkeypatch: pytest.MonkeyPatch,
          capsys: pytest.CaptureFixture) -> list:
    clock = iter([0.0, 4.0, 11.0, 12.0, 17.0])
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(clock))
    counted = Progress('clips written', total)
    for done in (20, 50, 60, 85):
        counted.update(done)
    return capsys.readouterr().err.splitlines()


def test_a_long_command_reports_the_time_left(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert lines(100, monkeypatch, capsys) == [
        'clips written: 50 of 100, 11 s left', 'clips written: 85 of 100, 3 s left']


def test_of_an_end_that_nobody_knows_it_reports_the_pace(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert lines(None, monkeypatch, capsys) == [
        'clips written: 50, 4.5 a second', 'clips written: 85, 5.0 a second']
