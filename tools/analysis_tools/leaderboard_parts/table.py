"""Runs of one config and protocol become one row; published numbers stand beside them."""
import csv
import io
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import yaml

from .cost import Cost
from .protocol import differing, key_of, protocol_of, settings_of
from .runs import Problem, Run

OURS, PUBLISHED = 'ours', 'published'


@dataclass
class Row:
    """One line. ``values`` in percent: of each seed for ours, one for what was published."""
    origin: str
    model: str
    data: str
    split: str
    protocol: str
    values: Dict[str, List[float]]
    seeds: List[int] = field(default_factory=list)
    parameters: Optional[float] = None
    flops: Optional[float] = None
    shape: str = ''
    citation: str = ''


def rows_of_runs(runs: Sequence[Run], cost_of: Callable[[Run], Cost]
                 ) -> Tuple[List[Row], List[Problem]]:
    """Group, and name what did not go in or stands alone."""
    groups: Dict[Tuple[str, str], Dict[Optional[int], Run]] = defaultdict(dict)
    problems: List[Problem] = []
    for run in runs:
        seeds = groups[run.name, key_of(settings_of(run))]
        if run.seed in seeds:  # a repetition is no second draw
            earlier = seeds[run.seed]
            problems.append(Problem(
                earlier.folder, f'left out: {run.folder} has the same config, seed {run.seed} and '
                'protocol, and is counted'))
        seeds[run.seed] = run
    rows = []
    for (name, _), seeds in groups.items():
        first = next(iter(seeds.values()))
        others = [settings_of(next(iter(other.values()))) for (other_name, _), other
                  in groups.items() if other_name == name]
        apart = {key: settings_of(first).get(key) for key in differing(others)}
        cost = cost_of(first)
        if cost.reason:
            problems.append(Problem(first.folder, cost.reason))
        if apart:
            problems += [Problem(run.folder, 'has a row of its own, other runs of its config '
                                 f'differ in {", ".join(apart)}') for run in seeds.values()]
        rows.append(_row(name, list(seeds.values()), apart, cost))
    return rows, problems


def _row(name: str, runs: List[Run], apart: Dict[str, object], cost: Cost) -> Row:
    protocol = protocol_of(runs[0])
    settings = ', '.join(f'{key}={_short(value)}' for key, value in apart.items())
    model = f'{name} ({settings})' if apart else name
    shared = set.intersection(*(set(run.metrics) for run in runs))
    runs = sorted(runs, key=lambda run: run.seed)
    return Row(OURS, model, protocol.data, protocol.split, protocol.text,
               {key: [100 * run.metrics[key] for run in runs] for key in sorted(shared)},
               [run.seed for run in runs], cost.parameters, cost.macs, cost.shape)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + '...'


def published_rows(file: Path) -> List[Row]:
    """The tables of a file of published numbers."""
    rows = []
    for table in yaml.safe_load(file.read_text(encoding='utf-8'))['tables']:
        for entry in table['entries']:
            for data, value in entry['values'].items():
                rows.append(Row(PUBLISHED, entry['model'], data, table.get('split', ''),
                                table['protocol'], {'acc/top1': [float(value)]},
                                parameters=entry.get('parameters'), flops=entry.get('flops'),
                                citation=f"{table['citation']}, {table['table']}"))
    return rows


def in_order(rows: Sequence[Row], metric: str) -> List[Row]:
    """By data, ours before published, the best first."""
    return sorted(rows, key=lambda row: (row.data, row.origin, -mean(row.values.get(metric, [0]))))


def _count(value: Optional[float]) -> str:
    """Three digits and a unit: 32450000 is 32.4M."""
    if value is None:
        return ''
    size, letter = next(((size, letter) for size, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k'))
                         if value >= size), (1, ''))
    return f'{value / size:.3g}{letter}'


def _score(values: Sequence[float]) -> str:
    if not values:
        return ''
    return f'{mean(values):.1f}' + (f' +- {stdev(values):.1f}' if len(values) > 1 else '')


def markdown(rows: Sequence[Row], metrics: Sequence[str], problems: Sequence[Problem]) -> str:
    """The table, the sources, and what is not in it."""
    head = ['', 'data', 'split', 'model', 'params', 'FLOPs per video', 'input', 'protocol', 'seeds',
            *(f'{metric}, mean +- std' for metric in metrics)]
    lines = [head, ['---'] * len(head)]
    sources = list(dict.fromkeys(row.citation for row in rows if row.citation))
    for row in rows:
        origin = f'**{OURS}**' if row.origin == OURS else (
            f'{PUBLISHED} [{sources.index(row.citation) + 1}]')
        lines.append([origin, row.data, row.split, row.model, _count(row.parameters),
                      _count(row.flops), row.shape, row.protocol,
                      ' '.join(map(str, row.seeds)),
                      *(_score(row.values.get(metric, [])) for metric in metrics)])
    text = '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'
    text += ('\nAccuracies in percent; std over the seeds. FLOPs are multiply-adds of the test of '
             'one video, whose packed input is given.\n')
    if sources:
        text += '\nPublished by others, on their data and protocol:\n\n'
        text += ''.join(f'{i}. {source}\n' for i, source in enumerate(sources, start=1))
    if problems:
        text += '\nNot counted, or counted apart:\n\n'
        text += ''.join(f'- {problem.folder}: {problem.reason}\n' for problem in problems)
    return text


def as_csv(rows: Sequence[Row]) -> str:
    """All metrics: mean, standard deviation and every seed's value."""
    metrics = sorted({metric for row in rows for metric in row.values})
    columns = [f'{metric} {part}' for metric in metrics for part in ('mean', 'std', 'all')]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator='\n')
    writer.writerow(['origin', 'data', 'split', 'model', 'parameters', 'flops', 'input', 'protocol',
                     'seeds', 'citation', *columns])
    for row in rows:
        cells = []
        for metric in metrics:
            values = row.values.get(metric, [])
            cells += [mean(values) if values else '', stdev(values) if len(values) > 1 else '',
                      ' '.join(f'{value:.4f}' for value in values)]
        writer.writerow([row.origin, row.data, row.split, row.model,
                         '' if row.parameters is None else row.parameters,
                         '' if row.flops is None else row.flops, row.shape, row.protocol,
                         ' '.join(map(str, row.seeds)), row.citation, *cells])
    return buffer.getvalue()
