"""What a study is: the file that defines it, read and checked.

A study file (``configs/studies/NAME.py``) is data alone, in one dict ``study``::

    study = dict(
        question='Do more layers help CBM, and hurt ConvLSTM?',
        source='section 5.1, figure 6',  # of the paper
        equal='updates',  # what the cells hold equal: 'updates', 'parameters' or 'compute'
        tasks=dict(
            features=dict(
                config='configs/.../NAME.py',  # seen from the root of the project
                metric='acc/top1', better='higher', chance=0.14,
                data='UCF101_FEATURES',  # variable that names the data root, or 'generated'
                options={'train_cfg.max_epochs': 20},
                seeds=[0, 1, 2, 3, 4], seed_options=['train_dataloader.dataset.subset_seed'],
                amp=False, also=['acc/mean1'], env=dict(NUM_CLASSES='7'))),
        cells=[dict(name='CBM-15', series='CBM', x=15, options={'model.neck.depth': 15},
                    only=dict(features={'model.neck.width': 256}))],
        claims=[dict(text='Deeper is better for CBM', higher='CBM-15', lower='CBM-1',
                     tasks=['features'], published='UCF-101: 56.2 -> 61.7')],
        x_label='layers', curves=True,
        along=dict(metrics='early/top1_', cells=['CBM-1', 'CBM-15']),  # draws early/top1_10 ...
        quick=dict(cells=['CBM-1', 'CBM-15'], tasks=['features'], options={...}, only={...}))

A run is a cell on a task with a seed. Its config is the task's, with the options of the task, of
the cell and of the cell's ``only[task]`` merged in that order (quick: those of ``quick`` last).
"""
import difflib
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from mmengine.config import Config

PROJECT = Path(__file__).parents[3]
GENERATED = 'generated'
EQUAL = ('updates', 'parameters', 'compute')
BETTER = ('higher', 'lower')

Options = Dict[str, Any]
"""Changes of a config by dotted keys, as ``--cfg-options`` takes them."""


class StudyError(ValueError):
    """A mistake in a study file or in how it was called, told in one line."""


@dataclass(frozen=True)
class Task:
    """A base config, how it is shortened, and what is measured.

    Attributes:
        config: from the root of the project.
        metric: of the final test, which the study compares; the ``better`` is higher or lower.
        chance: what guessing reaches, if that is known.
        data: ``'generated'``, or the environment variable that names the data root.
        seed_options: keys that get the seed, besides ``randomness.seed``.
        amp: train in mixed precision.
        also: more metrics for the table.
        env: environment variables that the config reads, besides ``DATA_ROOT``.
    """
    name: str
    config: str
    metric: str
    better: str = 'higher'
    chance: Optional[float] = None
    data: str = GENERATED
    options: Options = field(default_factory=dict)
    seeds: Tuple[int, ...] = (0, 1, 2)
    seed_options: Tuple[str, ...] = ()
    amp: bool = False
    also: Tuple[str, ...] = ()
    env: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One point of the grid.

    Attributes:
        series: the line it belongs to in the plot; its own name where there are no lines.
        x: its place on that line; None in a study of categories.
        options: for every task.
        only: more options, by task.
        tasks: those it runs on; None: all.
    """
    name: str
    series: str = ''
    x: Optional[float] = None
    options: Options = field(default_factory=dict)
    only: Dict[str, Options] = field(default_factory=dict)
    tasks: Optional[Tuple[str, ...]] = None


@dataclass(frozen=True)
class Claim:
    """What the paper says of two cells, or of several pairs.

    Attributes:
        higher: the cells that are better by the task's metric, if the claim holds. (For an error,
            better is lower.)
        lower: the worse one of each pair.
        tasks: where it is looked at; None: on all.
        published: the paper's figures.
    """
    text: str
    higher: Tuple[str, ...]
    lower: Tuple[str, ...]
    tasks: Optional[Tuple[str, ...]] = None
    published: str = ''

    @property
    def pairs(self) -> List[Tuple[str, str]]:
        """Better and worse cell of each comparison."""
        return list(zip(self.higher, self.lower))


@dataclass(frozen=True)
class Along:
    """Metrics that differ in how much of a sequence was seen, to be drawn over that.

    Attributes:
        metrics: their common beginning; then comes a percentage, as in ``early/top1_10``.
        cells: whose; None: of all.
    """
    metrics: str
    cells: Optional[Tuple[str, ...]] = None


@dataclass(frozen=True)
class Study:
    """A study as it is to be run: of the quick one, only what it runs."""
    name: str
    question: str
    source: str
    equal: str
    tasks: Dict[str, Task]
    cells: Tuple[Cell, ...]
    claims: Tuple[Claim, ...] = ()
    x_label: str = ''
    curves: bool = False
    along: Optional[Along] = None
    quick: bool = False
    quick_options: Options = field(default_factory=dict)
    quick_only: Dict[str, Options] = field(default_factory=dict)
    chosen: str = ''  # the options of study.py that left tasks out or set the seeds

    def cells_of(self, task: str) -> List[Cell]:
        """The cells that run on a task."""
        return [cell for cell in self.cells if cell.tasks is None or task in cell.tasks]

    def options(self, task: str, cell: Cell) -> Options:
        """All changes of the task's config, in the order in which they are merged."""
        merged: Options = {}
        for options in (self.tasks[task].options, cell.options, cell.only.get(task, {}),
                        self.quick_options, self.quick_only.get(task, {})):
            for key, value in options.items():
                merged.pop(key, None)  # the last one decides, in its place
                merged[key] = value
        return merged


def read_study(path: Path, quick: bool = False) -> Study:
    """Read a study file and check all of it that needs no config of a task.

    Args:
        path: the file; its name is the study's.
        quick: the tiny form: one seed, the cells and tasks that ``quick`` of the file names
            (default: the first two cells, the tasks of generated data).

    Raises:
        StudyError: the file is missing, an entry is unknown, missing, of the wrong kind, or names
            a cell or a task that is not there.
    """
    if not path.is_file():
        near = [other.stem for other in path.parent.glob('*.py')]
        raise StudyError(f'there is no study {path}: ' + _one_of(path.stem, near))
    try:
        content = Config.fromfile(path, use_predefined_variables=False).to_dict()
    except Exception as error:  # it is executed: anything may be wrong with it
        raise StudyError(f'{path}: {type(error).__name__}: {error}') from error
    if not isinstance(content.get('study'), dict):
        raise StudyError(f'{path} defines no dict named study')
    entries = content['study']
    made = ('name', 'quick_options', 'quick_only', 'chosen')
    _known(entries, [known.name for known in fields(Study) if known.name not in made], f'{path}: ')
    _required(entries, ('question', 'source', 'equal', 'tasks', 'cells'), f'{path}: ')
    _choice(entries['equal'], EQUAL, f'{path}: equal')
    tasks = {name: _task(name, values, f'{path}: tasks.{name}.')
             for name, values in _dict(entries['tasks'], f'{path}: tasks').items()}
    cells = tuple(_cell(values, f'{path}: cells[{number}].')
                  for number, values in enumerate(_list(entries['cells'], f'{path}: cells')))
    claims = tuple(_claim(values, f'{path}: claims[{number}].') for number, values
                   in enumerate(_list(entries.get('claims', []), f'{path}: claims')))
    study = Study(
        name=path.stem, question=entries['question'], source=entries['source'],
        equal=entries['equal'], tasks=tasks, cells=cells, claims=claims,
        x_label=entries.get('x_label', ''), curves=bool(entries.get('curves', False)),
        along=_along(entries['along'], f'{path}: along.') if 'along' in entries else None)
    _check_names(study, f'{path}: ')
    tiny = _quick(study, _dict(entries.get('quick', {}), f'{path}: quick'), f'{path}: quick.')
    return tiny if quick else study


def choose(study: Study, tasks: Optional[List[str]] = None,
           seeds: Optional[List[int]] = None) -> Study:
    """The study with these tasks and these seeds alone; None leaves them as they are.

    Raises:
        StudyError: a task is unknown, or a seed is negative or given twice.
    """
    for name in tasks or ():
        _choice(name, study.tasks, '--tasks')
    if seeds is not None:
        seeds = list(_seeds(seeds, '--seeds'))
    chosen = {name: replace(task, seeds=tuple(seeds) if seeds is not None else task.seeds)
              for name, task in study.tasks.items() if tasks is None or name in tasks}
    options = [*(['--tasks', *tasks] if tasks is not None else ()),
               *(['--seeds', *map(str, seeds)] if seeds is not None else ())]
    return replace(study, tasks=chosen, chosen=' '.join(options))


def _task(name: str, values: Any, where: str) -> Task:
    values = _dict(values, where[:-1])
    _plain_name(name, where[:-1])
    _known(values, [known.name for known in fields(Task) if known.name != 'name'], where)
    _required(values, ('config', 'metric', 'data'), where)
    task = Task(name=name, **{**values, **{key: tuple(_list(values[key], where + key))
                                           for key in ('seeds', 'seed_options', 'also')
                                           if key in values}})
    _choice(task.better, BETTER, where + 'better')
    _seeds(task.seeds, where + 'seeds')
    _dict(task.options, where + 'options')
    if not (PROJECT / task.config).is_file():
        near = [str(other.relative_to(PROJECT)) for other
                in (PROJECT / task.config).parent.glob('*.py')]
        raise StudyError(f'{where}config: there is no {task.config} in the project: '
                         + _one_of(task.config, near))
    return task


def _cell(values: Any, where: str) -> Cell:
    values = _dict(values, where[:-1])
    _known(values, [known.name for known in fields(Cell)], where)
    _required(values, ('name',), where)
    _plain_name(values['name'], where + 'name')
    _dict(values.get('options', {}), where + 'options')
    for task, options in _dict(values.get('only', {}), where + 'only').items():
        _dict(options, f'{where}only.{task}')
    tasks = values.get('tasks')
    return Cell(**{**values, 'series': values.get('series', values['name']),
                   'tasks': None if tasks is None else tuple(_list(tasks, where + 'tasks'))})


def _claim(values: Any, where: str) -> Claim:
    values = _dict(values, where[:-1])
    _known(values, [known.name for known in fields(Claim)], where)
    _required(values, ('text', 'higher', 'lower'), where)
    sides = {side: (values[side],) if isinstance(values[side], str) else tuple(values[side])
             for side in ('higher', 'lower')}
    if len(sides['higher']) != len(sides['lower']):
        raise StudyError(f'{where}higher names {len(sides["higher"])} cells and lower '
                         f'{len(sides["lower"])}: they are compared one by one')
    tasks = values.get('tasks')
    return Claim(**{**values, **sides,
                    'tasks': None if tasks is None else tuple(_list(tasks, where + 'tasks'))})


def _along(values: Any, where: str) -> Along:
    values = _dict(values, where[:-1])
    _known(values, [known.name for known in fields(Along)], where)
    _required(values, ('metrics',), where)
    cells = values.get('cells')
    return Along(values['metrics'],
                 None if cells is None else tuple(_list(cells, where + 'cells')))


def _check_names(study: Study, where: str) -> None:
    """Every name of a cell or a task is that of one."""
    names = [cell.name for cell in study.cells]
    for name in names:
        if names.count(name) > 1:
            raise StudyError(f'{where}{names.count(name)} cells are named {name!r}: '
                             'each needs a name of its own')
    if not study.tasks or not study.cells:
        raise StudyError(f'{where}there must be a task and a cell at least')
    for cell in study.cells:
        for task in (*(cell.tasks or ()), *cell.only):
            _choice(task, study.tasks, f'{where}cell {cell.name}')
    for name in (study.along and study.along.cells) or ():
        _choice(name, names, f'{where}along.cells')
    for claim in study.claims:
        for name in (*claim.higher, *claim.lower):
            _choice(name, names, f'{where}claim {claim.text!r}')
        for task in claim.tasks or ():
            _choice(task, study.tasks, f'{where}claim {claim.text!r}')
            for cell in study.cells:
                if cell.name in (*claim.higher, *claim.lower) and cell.tasks is not None \
                        and task not in cell.tasks:
                    raise StudyError(f'{where}claim {claim.text!r}: the cell {cell.name} does not '
                                     f'run on the task {task}')


def _quick(study: Study, values: Dict[str, Any], where: str) -> Study:
    """The study in its tiny form."""
    _known(values, ('cells', 'tasks', 'options', 'only'), where)
    names = _list(values.get('cells', [cell.name for cell in study.cells[:2]]), where + 'cells')
    tasks = _list(values.get('tasks', [name for name, task in study.tasks.items()
                                       if task.data == GENERATED]), where + 'tasks')
    for name in names:
        _choice(name, [cell.name for cell in study.cells], where + 'cells')
    only = _dict(values.get('only', {}), where + 'only')
    for name in (*tasks, *only):
        _choice(name, study.tasks, where + 'tasks')
    return replace(
        study, quick=True, cells=tuple(cell for cell in study.cells if cell.name in names),
        tasks={name: replace(task, seeds=task.seeds[:1])
               for name, task in study.tasks.items() if name in tasks},
        claims=tuple(claim for claim in study.claims
                     if {*claim.higher, *claim.lower} <= {*names}),
        quick_options=_dict(values.get('options', {}), where + 'options'), quick_only=only)


def _seeds(values: Iterable[Any], where: str) -> Tuple[int, ...]:
    values = tuple(values)
    bad = [seed for seed in values if not isinstance(seed, int) or seed < 0]
    if bad or not values or len({*values}) != len(values):
        raise StudyError(f'{where} is {list(values)}, but must be whole numbers from 0 on, each '
                         'one once')
    return values


def _plain_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not re.fullmatch(r'[A-Za-z0-9_+-][A-Za-z0-9._+-]*', name):
        raise StudyError(f"{where}: {name!r} is to name a folder: use letters, digits, '.', '_', "
                         "'+' and '-', without a '.' in front")


def _dict(value: Any, where: str) -> Dict[str, Any]:
    if not isinstance(value, dict):
        raise StudyError(f'{where} is {value!r}, but must be a dict')
    return value


def _list(value: Any, where: str) -> Union[list, tuple]:
    if not isinstance(value, (list, tuple)):
        raise StudyError(f'{where} is {value!r}, but must be a list')
    return value


def _known(values: Iterable[str], known: Iterable[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise StudyError(f'{where}{key} is unknown: ' + _one_of(key, known))


def _required(values: Dict[str, Any], required: Iterable[str], where: str) -> None:
    for key in required:
        if key not in values:
            raise StudyError(f'{where}{key} is missing')


def _choice(value: Any, known: Iterable[str], where: str) -> None:
    if value not in known:
        raise StudyError(f'{where} names {value!r}, which is not there: ' + _one_of(value, known))


def _one_of(name: Any, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=3)
    return f'did you mean {" or ".join(near)}?' if near else \
        f'use one of {", ".join(sorted(known)) or "none there are"}'
