"""Attack everything at length, and print one table of what became of it.

    make soak [ARGS="--quick --only SUBJECT ... --seed S"]

Subjects run one after the other, each in a process of its own. The result of a finished one is kept
in work_dirs/soak and taken again as long as the code stays the same, so that an interruption costs
no more than the subject that was under way. When all subjects have their full number, the table is
put into docs/reliability.md. Exits with 1 if anything was lost or did not survive.
"""
import argparse
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence

from cbm_plugin.environment import cpu_features
from cbm_plugin.files import check_page, replace_between, write_text

from .outcome import Outcome

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/reliability.md'
BEGIN, END = '<!-- soak: begin -->', '<!-- soak: end -->'

CODE = ('cbm_plugin', 'configs', 'tools', 'tests/faults', 'tests/tiny.py', 'tests/tiny_run.py')
"""What a result depends on, and the versions of these:"""
PACKAGES = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmaction2', 'mmdet', 'decord', 'opencv-python')


LIFE_SIGN_SECONDS = 60


class Subject(NamedTuple):
    """What is attacked.

    ``tried`` is how often, ``quick`` how often with ``--quick``; ``minutes`` is what the former
    took on two cores, for the first estimate of the time left.
    """
    name: str
    module: str
    tried: int
    quick: int
    minutes: float


SUBJECTS = (
    Subject('videos', 'tests.faults.videos', 200, 24, 2),
    Subject('kills', 'tests.faults.kills', 20, 3, 1),
    Subject('processes', 'tests.faults.processes', 10, 1, 1),
    Subject('numbers', 'tests.faults.numbers', 20, 3, 1),
    Subject('loading', 'tests.faults.loading', 300, 24, 1),
    Subject('memory', 'tests.faults.memory', 6000, 30, 80),
)


@dataclass
class Result:
    """A finished subject: of which code, how long it took, what came out."""
    fingerprint: str
    seconds: float
    outcomes: List[Outcome]

    @property
    def good(self) -> bool:
        """Nothing was lost, and something was tried."""
        return bool(self.outcomes) and all(outcome.good for outcome in self.outcomes)


class Soak:
    """Runs subjects, keeps their results and counts down.

    Args:
        subjects: in this order.
        folder: for results, logs, and what the subjects write.
        quick: the small numbers.
        seed: of all subjects.
    """

    def __init__(self, subjects: Sequence[Subject], folder: Path, quick: bool, seed: int) -> None:
        self.subjects, self.folder, self.quick, self.seed = subjects, folder, quick, seed
        self.fingerprint = fingerprint()
        folder.mkdir(parents=True, exist_ok=True)

    def tried(self, subject: Subject) -> int:
        """How often it is attacked."""
        return subject.quick if self.quick else subject.tried

    def file(self, subject: Subject) -> Path:
        """Where its result is kept."""
        return self.folder / f'{subject.name}_{self.tried(subject)}_seed{self.seed}.json'

    def kept(self, subject: Subject) -> Optional[Result]:
        """Its kept result, of whatever code."""
        if not self.file(subject).is_file():
            return None
        kept = json.loads(self.file(subject).read_text(encoding='utf-8'))
        return Result(kept['fingerprint'], kept['seconds'],
                      [Outcome(**outcome) for outcome in kept['outcomes']])

    def current(self, subject: Subject) -> Optional[Result]:
        """Its kept result, if it is of this code."""
        result = self.kept(subject)
        return result if result and result.fingerprint == self.fingerprint else None

    def seconds(self, subject: Subject) -> float:
        """How long it will take: as long as the last time, else by the table."""
        result = self.kept(subject)
        if result:
            return result.seconds
        return 60 * subject.minutes * self.tried(subject) / subject.tried

    def run(self, chosen: Sequence[Subject]) -> Dict[Subject, Result]:
        """Run the chosen subjects, but those of which there is a good result of this code."""
        results: Dict[Subject, Result] = {}
        for number, subject in enumerate(chosen, 1):
            result = self.current(subject)
            head = f'soak: [{number}/{len(chosen)}] {subject.name}'
            if result and result.good:
                print(f'{head}: done before with this code', flush=True)
            else:
                left = [one for one in chosen[number - 1:]
                        if not (self.current(one) or Result('', 0, [])).good]
                print(f'{head}, {self.tried(subject)} tried: about {minutes(self.seconds(subject))}'
                      f'; all that is left: {minutes(sum(map(self.seconds, left)))}', flush=True)
                result = self.attack(subject)
            results[subject] = result
        return results

    def attack(self, subject: Subject) -> Result:
        """Run one subject in a process of its own, and keep its result.

        What it writes is removed if all went well, and left in the folder to look at if not.
        """
        place = self.folder / subject.name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        start = time.monotonic()
        outcomes = in_a_process(subject, place, self.tried(subject), self.seed,
                                self.seconds(subject))
        result = Result(self.fingerprint, time.monotonic() - start, outcomes)
        if fingerprint() != self.fingerprint:
            print(f'soak: the code was changed while {subject.name} ran: its result is not kept',
                  file=sys.stderr, flush=True)
        else:
            write_text(self.file(subject), json.dumps(asdict(result), indent=1))
        if result.good:
            shutil.rmtree(place)
        return result


def in_a_process(subject: Subject, folder: Path, tried: int, seed: int,
                 expected: float) -> List[Outcome]:
    """The subject's outcomes; one that says what happened if its process ended without any.

    What it prints goes into ``log.txt`` of the folder, its progress to our stderr, with ours: of
    the seconds that are ``expected``, how many are gone.
    """
    out, log = folder / 'outcomes.json', folder / 'log.txt'
    command = [sys.executable, '-m', 'tests.faults.one_subject', subject.module, str(folder),
               str(tried), str(seed), str(out)]
    with open(log, 'w', encoding='utf-8') as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
                                   start_new_session=True)
        try:
            code = wait(process, subject.name, expected)
        finally:
            end(process)
    if code == 0 and out.is_file():
        return [Outcome(**outcome) for outcome in json.loads(out.read_text(encoding='utf-8'))]
    return [Outcome(f'{subject.name}: the attack itself ended early', tried, 0, 0,
                    f'exit code {code}; its messages are above and in {log.name} of its folder')]


def wait(process: subprocess.Popen, name: str, expected: float) -> int:
    """Wait for the end, and give signs of life. Returns the exit code."""
    start = time.monotonic()
    while True:
        try:
            return process.wait(LIFE_SIGN_SECONDS)
        except subprocess.TimeoutExpired:
            print(f'soak: {name}: {minutes(time.monotonic() - start)} of about '
                  f'{minutes(expected)}', file=sys.stderr, flush=True)


def end(process: subprocess.Popen) -> None:
    """End the process, if it still runs, and whatever of its group is left."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def fingerprint() -> str:
    """Of the code and the packages that results depend on."""
    digest = hashlib.sha256()
    for path in sorted(_code_files()):
        digest.update(os.path.relpath(path, ROOT).encode() + b'\0' + path.read_bytes())
    for package in PACKAGES:
        digest.update(f'{package} {_version(package)}'.encode())
    return digest.hexdigest()


def _code_files() -> Iterable[Path]:
    for name in CODE:
        path = ROOT / name
        yield from path.rglob('*.py') if path.is_dir() else [path]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return 'missing'


def minutes(seconds: float) -> str:
    """``'3 min'``; never less than one."""
    return f'{max(round(seconds / 60), 1)} min'


# -- the table


def table(outcomes: Sequence[Outcome]) -> str:
    """One table in Markdown."""
    rows = [('case', 'tried', 'survived', 'lost', 'remark'),
            ('---', '---:', '---:', '---:', '---')]
    rows += [(one.case, str(one.tried), str(one.survived), str(one.lost), one.remark)
             for one in outcomes]
    return '\n'.join('| ' + ' | '.join(_cell(cell) for cell in row) + ' |' for row in rows)


def _cell(text: str) -> str:
    return ' '.join(text.split()).replace('|', '\\|')


def machine() -> str:
    """What it ran on, without names and dates."""
    return (f'{os.cpu_count()} CPU cores ({cpu_features()}), {platform.system()} '
            f'{platform.machine()}, Python {platform.python_version()}, '
            + ', '.join(f'{package} {_version(package)}' for package in PACKAGES))


def page_of(outcomes: Sequence[Outcome], seed: int) -> str:
    """What goes into docs/reliability.md."""
    command = 'make soak' + (f' ARGS="--seed {seed}"' if seed else '')
    return f'`{command}` on {machine()}:\n\n{table(outcomes)}\n'


def main(argv: Optional[List[str]] = None, subjects: Sequence[Subject] = SUBJECTS) -> int:
    """Returns the exit status: 0 if all survived and nothing was lost, else 1."""
    parser = argparse.ArgumentParser(prog='make soak', description=__doc__.split('\n')[0])
    parser.add_argument('--quick', action='store_true', help='small numbers, in minutes')
    parser.add_argument('--only', nargs='+', metavar='SUBJECT', help='these alone: '
                        + ', '.join(subject.name for subject in subjects),
                        choices=[subject.name for subject in subjects])
    parser.add_argument('--seed', type=int, default=0, help='of all that is drawn (default: 0)')
    parser.add_argument('--folder', type=Path, default=ROOT / 'work_dirs/soak',
                        help='results and logs (default: work_dirs/soak)')
    parser.add_argument('--page', type=Path, default=PAGE,
                        help='where the table goes once all subjects have it in full '
                             '(default: docs/reliability.md)')
    args = parser.parse_args(argv)
    check_page(args.page, BEGIN, END)
    soak = Soak(subjects, args.folder.resolve(), args.quick, args.seed)
    chosen = [one for one in subjects if not args.only or one.name in args.only]
    try:
        results = soak.run(chosen)
    except KeyboardInterrupt:
        print('soak: interrupted; the same command goes on with the subject that was under way',
              file=sys.stderr)
        return 130
    print(f'\n{table([outcome for one in chosen for outcome in results[one].outcomes])}\n')
    complete = [soak.current(subject) for subject in subjects]
    if not args.quick and all(complete):
        outcomes = [outcome for result in complete if result for outcome in result.outcomes]
        replace_between(args.page, BEGIN, END, page_of(outcomes, args.seed))
        print(f'wrote {args.page}')
    bad = [subject.name for subject, result in results.items() if not result.good]
    print(f'not all survived: {", ".join(bad)}; see {args.folder}' if bad else 'all survived')
    return 1 if bad else 0


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('soak: stopped'))
    sys.exit(main())
