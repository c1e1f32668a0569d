"""Results on the disk: one folder a run, in it ``result.json``.

``WORK_DIR/TASK/CELL/seedS/`` holds ``result.json``, ``config.py`` (as it is trained),
``output.txt`` (all that the training said), ``started.json`` (the fingerprint of what is, or was,
trained in it) and ``train/``, the work dir of tools/train.py. A result of other code, settings or
data is kept as ``result.CODE-SETTINGS-DATA.json`` and does not count.

A result is a dict of

- ``study``, ``task``, ``cell``, ``series``, ``x``, ``seed``;
- ``status``: ``'done'``, ``'diverged'`` (a loss or a gradient was no number) or ``'failed'``;
  ``reason``: one line, empty if done;
- ``metrics``: of the final test, by name (``'acc/top1'``); empty if it was not reached;
- ``curves``: ``val`` (a list of dicts: ``epoch`` and the metrics of the validation after it) and
  ``train`` (a list of dicts: ``iter``, ``epoch``, ``loss`` and other losses, as logged);
- ``seconds``: wall time, ``cpu_seconds``: of all its cores; both with start-up and tests, and of
  all starts of an interrupted run;
- ``peak_memory``: MiB, ``memory_of``: what that is, in words;
- ``parameters``: their number, None where the model could not be built;
- ``fingerprint``: a dict of ``code``, ``config`` and ``data``, each a short hash;
- ``options``: the changes of the task's config, ``machine``: in words, ``amp``.
"""
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from cbm_plugin.files import write_text

from .definition import Cell, Study, Task

Fingerprint = Dict[str, str]
Result = Dict[str, Any]

DONE, DIVERGED, FAILED = 'done', 'diverged', 'failed'


class Run(NamedTuple):
    """A cell on a task with a seed, and the folder of its result."""
    task: Task
    cell: Cell
    seed: int
    folder: Path

    def __str__(self) -> str:
        return f'{self.task.name}, {self.cell.name}, seed {self.seed}'


def runs_of(study: Study, work_dir: Path) -> List[Run]:
    """All runs, seed by seed: an early stop leaves whole seeds."""
    longest = max(len(task.seeds) for task in study.tasks.values())
    return [Run(task, cell, task.seeds[turn],
                work_dir / task.name / cell.name / f'seed{task.seeds[turn]}')
            for turn in range(longest) for task in study.tasks.values() if turn < len(task.seeds)
            for cell in study.cells_of(task.name)]


def read_result(folder: Path) -> Optional[Result]:
    """The result in a run's folder, or None. Others' fingerprints are not looked at.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / 'result.json'
    if not path.is_file():
        return None
    try:
        result = json.loads(path.read_text(encoding='utf-8'))
        if not {'status', 'metrics', 'fingerprint'} <= {*result}:
            raise ValueError('entries are missing')
    except (ValueError, TypeError) as error:
        raise ValueError(f'{path} is damaged ({error}): delete it, and it is run again') from error
    return result


def write_result(folder: Path, result: Result) -> None:
    """Whole or not at all."""
    write_text(folder / 'result.json', json.dumps(result, indent=1) + '\n')


def put_aside(folder: Path, fingerprint: Fingerprint) -> Path:
    """Rename a result that does not count; returns where it is."""
    aside = folder / f'result.{short(fingerprint)}.json'
    (folder / 'result.json').replace(aside)
    return aside


def short(fingerprint: Fingerprint) -> str:
    """A fingerprint as a part of a file's name."""
    return '-'.join(str(fingerprint.get(part, 'unknown')) for part in ('code', 'config', 'data'))


def difference(found: Fingerprint, wanted: Fingerprint) -> str:
    """What differs between two fingerprints, in words; empty where nothing does."""
    named = {'code': 'code', 'config': 'settings', 'data': 'data'}
    return ' and '.join(f'other {word} ({found.get(part, "unknown")}, now {wanted[part]})'
                        for part, word in named.items() if found.get(part) != wanted[part])
