"""Which runs are missing, and how they are run: in turn or side by side, on one machine or more."""
import os
import time
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from mmengine.config import Config

from cbm_plugin.engine.sample_faults import some_names
from cbm_plugin.engine.user_errors import did_you_mean

from . import fingerprint
from .configs import count_parameters, data_root_of, merged_config, read_config, seeded_config
from .definition import Study, StudyError, Task
from .execute import Order, Training
from .outlook import Outlook, say
from .store import DONE, FAILED, Result, difference, put_aside, read_result, runs_of

POLL = 0.1
"""Seconds between two looks at the trainings that run."""


class Plan(NamedTuple):
    """Runs ready to start, and the results of those that have one, by their folder."""
    orders: List[Order]
    results: Dict[Path, Result]

    @property
    def missing(self) -> List[Order]:
        """In the order in which they are run."""
        return [order for order in self.orders if order.run.folder not in self.results]


def plan(study: Study, work_dir: Path, data_roots: Dict[str, Path], retry_failed: bool = False,
         shard: Tuple[int, int] = (0, 1), look_only: bool = False,
         code: Optional[str] = None) -> Plan:
    """Check every config of the study, and find the results that are there.

    Results of other code, settings or data are named on stderr, and put aside.

    Args:
        data_roots: by task, from the command line.
        retry_failed: failed runs are missing ones.
        shard: which of how many parts of the runs, the first being 0.
        look_only: nothing will be run: others' results stay where they are, and those of other code
            count.
        code: go on with the copy of this fingerprint, of an earlier start. Default None: the code
            as it is now.

    Raises:
        StudyError: a mistake in the study or in a config, a copy or data that are not there, or a
            result that is damaged or lacks the metric.
    """
    prepared = {task.name: _prepared(study, task, data_roots, work_dir, code)
                for task in study.tasks.values()}
    orders: List[Order] = []
    for run in runs_of(study, work_dir)[shard[0]::shard[1]]:
        ready = prepared[run.task.name]
        cfg, parameters = ready.cells[run.cell.name]
        cfg = seeded_config(cfg, run.task, run.seed, ready.data)
        marks = dict(code=ready.code, data=ready.data_hash,
                     config=fingerprint.of_config(cfg, run.task, ready.data))
        orders.append(Order(run, study.name, cfg, work_dir / 'code' / ready.code, marks,
                            study.options(run.task.name, run.cell), parameters))
    results = _counting_results(orders, look_only)
    for order in orders:
        result = results.get(order.run.folder)
        if result is not None and retry_failed and result['status'] == FAILED:
            del results[order.run.folder]
        elif result is not None:
            check_metrics(order.run.task, result)
    return Plan(orders, results)


class _Prepared(NamedTuple):
    """Of a task: the config and the parameters of each cell, code and data, and where they are."""
    cells: Dict[str, tuple]
    code: str
    data_hash: str
    data: Path


def _prepared(study: Study, task: Task, data_roots: Dict[str, Path], work_dir: Path,
              copy: Optional[str]) -> _Prepared:
    data_root = data_root_of(task, data_roots)
    base = read_config(task, data_root)
    code = fingerprint.Code(base) if copy is None else _copied(base, work_dir / 'code' / copy)
    code.copy_to(work_dir / 'code')
    cells = {}
    for cell in study.cells_of(task.name):
        cfg = merged_config(study, task, cell, base)
        cells[cell.name] = cfg, count_parameters(
            cfg, f'{study.name}: cell {cell.name} on task {task.name}')
    return _Prepared(cells, code.hash, fingerprint.of_data(data_root),
                     data_root or work_dir / 'data' / code.hash)


def _copied(base: Config, place: Path) -> fingerprint.Code:
    """The code of an earlier start."""
    if not place.is_dir():
        known = sorted(path.name for path in place.parent.glob('*'))
        raise StudyError(f'--code {place.name}: there is no {place}: '
                         f'use one of {", ".join(known) or "none there are"}')
    code = fingerprint.Code(base, place)
    if code.hash != place.name:
        raise StudyError(f'--code {place.name}: with the packages installed now, and as its files '
                         f'are now, it is {code.hash}: results of the two do not mix')
    return code


def _counting_results(orders: List[Order], look_only: bool = False) -> Dict[Path, Result]:
    """The results of these code, settings and data; others are told of, and put aside.

    Where one only looks, those of other code count too: the report says of which they are, and
    whether they are of one.
    """
    results: Dict[Path, Result] = {}
    others: Dict[str, List[str]] = {}
    for order in orders:
        folder = order.run.folder
        try:
            result = read_result(folder)
        except ValueError as error:
            raise StudyError(str(error)) from error
        if result is None:
            continue
        found, wanted = result['fingerprint'], order.fingerprint
        differs = difference(found, wanted)
        if not differs or look_only and not difference({**found, 'code': wanted['code']}, wanted):
            results[folder] = result
        if differs:
            others.setdefault(differs, []).append(
                str(order.run) if look_only else
                f'{order.run} (kept as {put_aside(folder, found).name})')
    for differs, names in others.items():
        becomes = 'shown if only the code differs' if look_only else 'run again'
        say(f'{len(names)} results were made by {differs}, {becomes}: {some_names(names)}')
    return results


def check_metrics(task: Task, result: Result) -> None:
    """See that a finished run reports what the study asks for.

    Raises:
        StudyError: it does not; the message names what it reports.
    """
    for name in (task.metric, *task.also) if result['status'] == DONE else ():
        if name not in result['metrics']:
            known = ', '.join(sorted(result['metrics'])) or 'nothing'
            raise StudyError(
                f'the task {task.name} compares {name!r}, which its runs do not report: '
                + did_you_mean(name, result['metrics'], f'they report {known}')
                + ' Its results stay valid: correct the study and start it again.')


def run_missing(planned: Plan, jobs: int = 1) -> Dict[Path, Result]:
    """Run what is missing; returns all results by folder, without those that others are at.

    What ends it, Ctrl-C too, ends its trainings, which the next start goes on with.

    Args:
        jobs: trainings at a time; each computes with its share of the cores, or with the threads
            that ``OMP_NUM_THREADS`` says.

    Raises:
        StudyError: see :func:`check_metrics`.
    """
    waiting, results = planned.missing, dict(planned.results)
    threads = int(os.environ.get('OMP_NUM_THREADS') or max(1, _cores() // jobs))
    outlook, running = Outlook(len(waiting), jobs, results.values()), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                order = waiting.pop(0)
                outlook.tell(order, waiting, running)
                started = _start(order, threads, results)
                running += [started] if started is not None else []
            for training in [*running]:
                if _ended(training, results, outlook):
                    running.remove(training)
            outlook.tell_if_long(waiting, running)
            time.sleep(POLL)
    finally:
        for training in running:
            training.stop()
            say(f'{training.order.run}: stopped; the same command goes on with it')
    return results


def _start(order: Order, threads: int, results: Dict[Path, Result]) -> Optional[Training]:
    """A training, or None where somebody else is at it, or has done it meanwhile."""
    done = _counting_results([order]).get(order.run.folder)
    if done is not None and done['status'] != FAILED:
        results[order.run.folder] = done
        return None
    try:
        return Training(order, threads)
    except BlockingIOError:
        say(f'{order.run}: another process is at it, and it is left to that')
        return None


def _ended(training: Training, results: Dict[Path, Result], outlook: Outlook) -> bool:
    """Look at a training; its result is noted and, if it is not what was hoped for, told."""
    try:
        result = training.poll()
    except InterruptedError as error:
        say(f'{error}: the next start goes on with it')
        return True
    if result is None:
        return False
    results[training.order.run.folder] = result
    outlook.note(result)
    if result['status'] != DONE:
        say(f'{training.order.run}: {result["status"]}: {result["reason"]} '
             f'(all of it: {training.folder / "output.txt"})')
    check_metrics(training.order.run.task, result)
    return True


def shard_of(text: Optional[str], environment: Mapping[str, str] = os.environ) -> Tuple[int, int]:
    """Which part of the runs is this process's, and of how many.

    Args:
        text: ``'I/N'``, I from 0 to N - 1; None: what a Slurm array or torchrun has set, else all.

    Raises:
        StudyError: it is none.
    """
    if text is not None:
        part, slash, number = text.partition('/')
        said = f'--shard {text}'
    elif 'SLURM_ARRAY_TASK_COUNT' in environment:
        first = int(environment.get('SLURM_ARRAY_TASK_MIN', 0))
        part = str(int(environment['SLURM_ARRAY_TASK_ID']) - first)
        number, slash, said = environment['SLURM_ARRAY_TASK_COUNT'], '/', 'the Slurm array'
    else:
        part, number = environment.get('RANK', '0'), environment.get('WORLD_SIZE', '1')
        slash, said = '/', 'RANK and WORLD_SIZE'
    if not (slash and part.isdigit() and number.isdigit() and int(part) < int(number)):
        raise StudyError(f'{said}: {part}/{number} is no part of the runs: I/N takes I from 0 to '
                         'N - 1, 0/4 to 3/4 for four processes (a Slurm array without gaps)')
    return int(part), int(number)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
