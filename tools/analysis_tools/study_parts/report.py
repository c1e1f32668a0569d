"""A study's results as tables: Markdown for readers, CSV with one row a run for programs."""
import csv
import io
import json
from ast import literal_eval
from statistics import mean
from typing import Any, Dict, Iterable, List, Sequence

from .definition import Study, Task
from .statistics import interval_of, of_cell, why_not_counted
from .store import Result

FIXED = ('study', 'task', 'cell', 'series', 'x', 'seed', 'status', 'reason', 'seconds',
         'cpu_seconds', 'peak_memory', 'memory_of', 'parameters', 'amp', 'machine')
"""Columns of the CSV file that are entries of a result."""
PARTS = ('code', 'config', 'data')
"""Its columns of the fingerprint. After them: ``options``, and the metrics by name."""
TEXTS = ('study', 'task', 'cell', 'series', 'status', 'reason', 'memory_of', 'machine')


def markdown(study: Study, results: Sequence[Result]) -> str:
    """A table for each task, what its cells hold equal, and the runs that do not count."""
    parts = []
    for task in study.tasks.values():
        parts += [f'**{task.name}**: {caption(study, task, results)}', _table(study, task, results)]
    parts += _problems(study, results)
    return '\n\n'.join(parts) + '\n'


def caption(study: Study, task: Task, results: Sequence[Result]) -> str:
    """Config, direction, chance and what is held equal, in one sentence each."""
    text = f'`{task.config}`; {task.metric}, {task.better} is better'
    if task.chance is not None:
        text += f', chance {task.chance:.4g}'
    text += f'. Equal in all cells: {study.equal}'
    measure = {'parameters': 'parameters', 'compute': 'cpu_seconds'}.get(study.equal)
    if measure:  # what is claimed to be equal is measured: say how equal it is
        values = [_mean(of_cell(results, task.name, cell.name), measure)
                  for cell in study.cells_of(task.name)]
        known = [value for value in values if value]
        if known:
            text += f' (the largest is {max(known) / min(known):.2f} times the smallest)'
    return text + '. Mean +- half width of its 95% interval over the seeds.'


def _table(study: Study, task: Task, results: Sequence[Result]) -> str:
    metrics = (task.metric, *task.also)
    rows = [['cell', *metrics, 'seeds', 'parameters', 'seconds', 'CPU seconds', 'memory, MiB',
             'not counted']]
    for cell in study.cells_of(task.name):
        found = of_cell(results, task.name, cell.name)
        counted = [result for result in found if not why_not_counted(result, task.metric)]
        intervals = [interval_of(counted, task.name, cell.name, metric) for metric in metrics]
        rows.append([
            cell.name, *('-' if one is None else str(one) for one in intervals),
            f'{len(counted)} of {len(task.seeds)}',
            *(_number(_mean(found, name)) for name in ('parameters', 'seconds', 'cpu_seconds',
                                                       'peak_memory')),
            _kinds(found, task.metric)])
    return table(rows)


def _kinds(found: Iterable[Result], metric: str) -> str:
    """``2 diverged (seeds 1, 4)``."""
    seeds: Dict[str, List[int]] = {}
    for result in found:
        if why_not_counted(result, metric):
            kind = result['status'] if result['status'] != 'done' else f'without {metric}'
            seeds.setdefault(kind, []).append(result['seed'])
    return ', '.join(f'{len(of)} {kind} (seed{"s" * (len(of) > 1)} {", ".join(map(str, of))})'
                     for kind, of in seeds.items())


def _problems(study: Study, results: Sequence[Result]) -> List[str]:
    """Runs that have no part in a mean, each with its reason; results of more than one code."""
    lines = []
    for task in study.tasks.values():
        for cell in study.cells_of(task.name):
            for result in of_cell(results, task.name, cell.name):
                reason = why_not_counted(result, task.metric)
                if reason:
                    lines.append(f"- {task.name}, {cell.name}, seed {result['seed']}: {reason}")
    parts = ['Not counted:\n\n' + '\n'.join(lines)] if lines else []
    return parts + mixed(results)


def mixed(results: Sequence[Result]) -> List[str]:
    """Warnings where the results of a task are of different code or data, and cannot be compared.
    """
    warnings = []
    for task in dict.fromkeys(result['task'] for result in results):
        for part in ('code', 'data'):
            kinds = sorted({str(result['fingerprint'].get(part)) for result in results
                            if result['task'] == task})
            if len(kinds) > 1:
                warnings.append(f'**The results of {task} are of different {part} '
                                f'({", ".join(kinds)}): run the study again before comparing '
                                'them.**')
    return warnings


def _mean(found: Iterable[Result], name: str) -> Any:
    values = [result[name] for result in found if result.get(name) is not None]
    return mean(values) if values else None


def _number(value: Any) -> str:
    if value is None:
        return '-'
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first row is the head."""
    lines = [rows[0], ['---'] * len(rows[0]), *rows[1:]]
    return '\n'.join('| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |'
                     for line in lines)


def as_csv(results: Sequence[Result]) -> str:
    """One row a run, with all it reported but its curves; :func:`read_csv` gives it back."""
    metrics = sorted({name for result in results for name in result['metrics']})
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIXED, *PARTS, 'options', *metrics], lineterminator='\n')
    writer.writeheader()
    for result in results:
        writer.writerow({
            **{name: result.get(name) for name in FIXED}, **result['metrics'],
            **{part: result['fingerprint'].get(part) for part in PARTS},
            'options': json.dumps(result.get('options', {}))})
    return text.getvalue()


def read_csv(text: str) -> List[Result]:
    """The results that :func:`as_csv` wrote, without curves."""
    results = []
    for row in csv.DictReader(io.StringIO(text)):
        result: Result = {name: row.pop(name) for name in FIXED}
        for name in FIXED:
            if name not in TEXTS:
                result[name] = literal_eval(result[name]) if result[name] else None
        result['fingerprint'] = {part: row.pop(part) for part in PARTS}
        result['options'] = json.loads(row.pop('options'))
        result['metrics'] = {name: float(value) for name, value in row.items() if value}
        results.append(result)
    return results
