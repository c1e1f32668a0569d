"""`make soak`: what it runs, keeps, prints and writes. The subjects here are small modules."""
import signal
from pathlib import Path
from typing import Iterator, List

import pytest

from . import soak
from .outcome import Outcome
from .soak import SUBJECTS, Subject, main

GOOD = """
from tests.faults.outcome import Outcome

def run(folder, tried, seed):
    with open({calls!r}, 'a') as calls:
        calls.write(f'{{tried}} {{seed}}\\n')
    return [Outcome('files were damaged', tried, tried, 0, 'figures | in words')]
"""
LOSING = """
from tests.faults.outcome import Outcome

def run(folder, tried, seed):
    (folder / 'left.txt').write_text('to look at')
    return [Outcome('a training was killed', tried, tried, 2)]
"""
DYING = 'import os\n\ndef run(folder, tried, seed):\n    os.abort()\n'
INTERRUPTED = """
import os
import signal

def run(folder, tried, seed):
    os.kill(os.getppid(), signal.SIGINT)
    signal.pause()
"""


class Bench:
    """A place with subjects and code; ``calls`` are those that the subject ``good`` got."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.page, self.calls = folder, folder / 'page.md', folder / 'calls.txt'
        self.code = folder / 'code.py'
        self.code.write_text('')
        self.page.write_text(f'before\n{soak.BEGIN}\n{soak.END}\nafter\n')
        self.put('good', GOOD.format(calls=str(self.calls)))

    def put(self, name: str, text: str) -> None:
        (self.folder / f'subject_{name}.py').write_text(text)

    def run(self, names: List[str], *options: str) -> int:
        subjects = [Subject(name, f'subject_{name}', 20, 3, 1.0) for name in names]
        return main(['--folder', str(self.folder / 'kept'), '--page', str(self.page), *options],
                    subjects)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    made = Bench(tmp_path)
    monkeypatch.setattr(soak, 'CODE', (str(made.code),))
    return made


def test_when_all_survive_one_table_is_printed_and_put_into_the_page(
        bench: Bench, capfd: pytest.CaptureFixture) -> None:
    row = '| files were damaged | 20 | 20 | 0 | figures \\| in words |'
    assert bench.run(['good']) == 0
    assert row in capfd.readouterr().out.splitlines()
    page = bench.page.read_text()
    assert row in page.splitlines() and 'make soak' in page and 'torch' in page
    assert page.startswith('before\n') and page.endswith('after\n')


def test_a_loss_makes_it_fail_and_leaves_what_there_is_to_look_at(bench: Bench) -> None:
    bench.put('losing', LOSING)
    assert bench.run(['losing']) == 1
    assert (bench.folder / 'kept/losing/left.txt').is_file()


def test_a_subject_whose_process_dies_is_a_row_and_the_others_still_run(
        bench: Bench, capfd: pytest.CaptureFixture) -> None:
    bench.put('dying', DYING)
    assert bench.run(['dying', 'good']) == 1
    printed = capfd.readouterr().out
    assert '| dying: the attack itself ended early | 20 | 0 | 0 | exit code -6' in printed
    assert '| files were damaged | 20 | 20 | 0 |' in printed


def test_a_long_subject_gives_signs_of_life(bench: Bench, capfd: pytest.CaptureFixture,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, 'LIFE_SIGN_SECONDS', 0.001)  # a start of Python takes longer
    assert bench.run(['good']) == 0
    assert 'soak: good: 1 min of about 1 min' in capfd.readouterr().err


def test_a_subject_that_is_not_there_is_a_row_too(bench: Bench) -> None:
    assert bench.run(['missing']) == 1


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts, also where the tests themselves were started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures('interruptible')
def test_what_is_done_is_not_done_again_after_an_interruption(bench: Bench) -> None:
    bench.put('other', INTERRUPTED)
    assert bench.run(['good', 'other']) == 130
    bench.put('other', GOOD.format(calls=str(bench.folder / 'other.txt')))
    assert bench.run(['good', 'other']) == 0
    assert bench.calls.read_text() == '20 0\n'
    assert (bench.folder / 'other.txt').read_text() == '20 0\n'


def test_what_was_lost_is_tried_again(bench: Bench) -> None:
    bench.put('losing', LOSING)
    assert bench.run(['losing']) == 1
    bench.put('losing', GOOD.format(calls=str(bench.calls)))
    assert bench.run(['losing']) == 0


def test_other_code_makes_every_result_old(bench: Bench) -> None:
    assert bench.run(['good']) == 0
    bench.code.write_text('changed = True')
    assert bench.run(['good']) == 0
    assert bench.calls.read_text() == '20 0\n' * 2


def test_a_result_of_code_that_changed_under_way_is_not_kept(
        bench: Bench, capfd: pytest.CaptureFixture) -> None:
    bench.put('changing', GOOD.format(calls=str(bench.code)))
    before = bench.page.read_text()
    assert bench.run(['changing']) == 0
    assert 'its result is not kept' in capfd.readouterr().err
    assert bench.page.read_text() == before and not list((bench.folder / 'kept').glob('*.json'))


def test_a_result_depends_on_all_code_that_is_attacked() -> None:
    files = {path.relative_to(soak.ROOT).as_posix() for path in soak._code_files()}
    assert {'cbm_plugin/files.py', 'tools/train.py', 'configs/_base_/default_runtime.py',
            'tests/faults/memory.py', 'tests/tiny_run.py'} <= files


def test_the_quick_form_has_its_own_numbers_and_never_writes_the_page(bench: Bench) -> None:
    before = bench.page.read_text()
    assert bench.run(['good'], '--quick', '--seed', '5') == 0
    assert bench.calls.read_text() == '3 5\n' and bench.page.read_text() == before


def test_the_page_waits_for_all_subjects(bench: Bench) -> None:
    bench.put('other', GOOD.format(calls=str(bench.folder / 'other.txt')))
    before = bench.page.read_text()
    assert bench.run(['good', 'other'], '--only', 'good') == 0
    assert bench.page.read_text() == before
    assert bench.run(['good', 'other'], '--only', 'other') == 0
    assert bench.page.read_text().count('| files were damaged |') == 2


def test_a_page_without_a_place_for_the_table_is_refused_before_hours_of_work(
        bench: Bench) -> None:
    bench.page.write_text('nothing\n')
    with pytest.raises(ValueError, match='soak: begin'):
        bench.run(['good'])
    assert not bench.calls.exists()


@pytest.mark.parametrize('outcome, good', [
    (Outcome('case', 5, 5, 0), True), (Outcome('case', 5, 4, 0), False),
    (Outcome('case', 5, 5, 1), False)])
def test_an_outcome_is_good_only_if_all_survived_and_nothing_was_lost(
        outcome: Outcome, good: bool) -> None:
    assert outcome.good is good


def test_the_page_of_the_docs_has_a_place_for_the_table() -> None:
    text = soak.PAGE.read_text()
    assert text.count(soak.BEGIN) == text.count(soak.END) == 1


def test_every_subject_has_its_module() -> None:
    for subject in SUBJECTS:
        assert (soak.ROOT / (subject.module.replace('.', '/') + '.py')).is_file(), subject
