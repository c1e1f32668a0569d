"""Bad videos in training and testing: no process dies or hangs, and each that fails is named once.

Half of every list is bad: see :mod:`tests.faults.damage`. Recognition names what fails when it is
drawn; prediction names what it cannot open before it trains, and refuses to test on it.
"""
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Sequence

from ..tiny_run import ROOT
from .damage import BadVideo, write_bad, write_good
from .outcome import Outcome

CASES = dict(
    recognition_train='bad videos, recognition, training',
    recognition_test='bad videos, recognition, testing',
    prediction_train='bad videos, prediction, training',
    prediction_refused='bad videos, prediction, refused by name before testing',
    prediction_test='bad videos, prediction, testing on those that can be opened')

GOOD = ('good_0.mp4', 'good_1.avi', 'good_2.mp4', 'good_3.avi')

BOUND = 600
"""Seconds that all runs may take, and 5 more for each bad video: a hang, on any machine."""


def run(folder: Path, tried: int, seed: int) -> List[Outcome]:
    """Train and test on so many bad videos, the first half of them for training.

    Args:
        folder: for the videos and runs.
        tried: bad videos; 24 has each of the twelve kinds once on each side.
        seed: of the damage.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bad = write_bad(folder, tried, seed)
    halves = dict(train=bad[:tried // 2], test=bad[tried // 2:])
    write_lists(folder, halves)
    ended = run_all(folder, BOUND + 5 * tried)
    return [outcome_of(folder, name, halves['train' if name.endswith('train') else 'test'], ended)
            for name in CASES]


def write_lists(folder: Path, halves: Dict[str, List[BadVideo]]) -> None:
    """Good and bad in turn, as prediction reads them, and with labels for recognition."""
    for number, name in enumerate(GOOD):
        write_good(folder / name, 10 + number)
    listed = {f'{half}_list.txt': [name for number, video in enumerate(bad)
                                   for name in (video.name, GOOD[number % len(GOOD)])]
              for half, bad in halves.items()}
    listed['good_list.txt'] = listed['test_good.txt'] = list(GOOD)
    for name, videos in listed.items():
        (folder / name).write_text('\n'.join(videos) + '\n')
        (folder / f'labelled_{name}').write_text(
            ''.join(f'{video} {number % 8}\n' for number, video in enumerate(videos)))


def run_all(folder: Path, bound: float) -> str:
    """How the process of all runs ended."""
    with open(folder / 'output.txt', 'wb') as output:
        process = subprocess.Popen(
            [sys.executable, '-m', 'tests.faults.video_runs', str(folder)], cwd=ROOT,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            env=dict(os.environ, OMP_NUM_THREADS='1'))
        try:
            code = process.wait(bound)
            return '' if code == 0 else f'ended with {code}'
        except subprocess.TimeoutExpired:
            return f'hung for {bound:.0f} s'
        finally:
            try:  # its workers too, and itself where we are interrupted
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def outcome_of(folder: Path, name: str, bad: Sequence[BadVideo], ended: str) -> Outcome:
    """What a run made of its bad videos.

    Lost are those that are named more than once or, though nothing can be shown of them, not at
    all, and good ones that are named.
    """
    if not (folder / f'{name}.done').exists():
        return Outcome(CASES[name], len(bad), 0, len(bad), ended)
    log = next((folder / name).glob('*/*.log')).read_text(encoding='utf-8')
    named = {video.name: times_named(log, video.name) for video in bad}
    wrong = [video for video in bad if named[video.name] > 1
             or (named[video.name] == 0 and video.hopeless and name != 'prediction_test')]
    blamed = [good for good in GOOD if times_named(log, good)]
    share = re.findall(r'failed, in (\d+) of (\d+) draws', log)
    remark = f'{sum(map(bool, named.values()))} named'
    if share:
        remark += f', {share[-1][0]} of {share[-1][1]} draws failed'
    return Outcome(CASES[name], len(bad), len(bad), len(wrong) + len(blamed), remark)


def times_named(log: str, name: str) -> int:
    """How often a log blames a video: in a line of its own, or in a list of a data set."""
    place = re.escape(name)
    return len(re.findall(rf'failed and was replaced: (?:\S*/)?{place}: ', log)) + sum(
        len(re.findall(rf'(?<=[ /]){place} \(', line)) for line in log.splitlines()
        if 'sequences cannot be read' in line)
