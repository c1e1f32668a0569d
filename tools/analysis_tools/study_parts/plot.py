"""Pictures of a study: its metric over the cells with intervals, its training curves, and a metric
over how much of a sequence was seen.
"""
import math
from pathlib import Path
from statistics import mean
from typing import Dict, Iterable, List, Sequence, Tuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cbm_plugin.files import write_whole

from .definition import Along, Cell, Study, Task
from .statistics import Interval, interval, interval_of, of_cell, why_not_counted
from .store import Result

Curve = Dict[float, List[float]]
"""The values of a cell's seeds at each place on the horizontal axis."""


def draw(study: Study, results: Sequence[Result], out: Path) -> Figure:
    """One panel a task: a line with a band for each series, or a point for each category.

    Returns:
        The figure, for those who look into it.
    """
    lines = any(cell.x is not None for cell in study.cells)
    figure, panels = _panels(study, 3.6 if lines else 1.2 + 0.3 * len(study.cells))
    for axes, task in zip(panels, study.tasks.values()):
        (_lines if lines else _categories)(axes, study, task, results)
    if lines:
        _legend(figure, panels)
    write_whole(out, lambda draft: figure.savefig(draft, dpi=110))
    return figure


def draw_along(study: Study, along: Along, results: Sequence[Result], out: Path) -> Figure:
    """Over how much of a sequence was seen: a panel a task, a line with a band for each cell."""
    figure, panels = _panels(study, height=3.6)
    for axes, task in zip(panels, study.tasks.values()):
        cells = [cell for cell in study.cells_of(task.name)
                 if along.cells is None or cell.name in along.cells]
        for number, cell in enumerate(cells):
            points = _along(results, task, cell, along.metrics)
            if points:
                axes.plot([x for x, _ in points], [one.mean for _, one in points], '.-',
                          color=f'C{number % 10}', label=cell.name)
                _band(axes, points, f'C{number % 10}')
        if task.chance is not None:
            axes.axhline(task.chance, color='0.4', linestyle=':', label='chance')
        axes.set_xlabel('% of the sequence seen')
        axes.set_ylabel(along.metrics.rstrip('_'))
    _legend(figure, panels)
    write_whole(out, lambda draft: figure.savefig(draft, dpi=110))
    return figure


def _panels(study: Study, height: float) -> Tuple[Figure, List[Axes]]:
    """One for each task, with its name."""
    number = len(study.tasks)
    columns = number if number <= 3 else 2
    rows = -(-number // columns)
    figure = Figure(figsize=(2.5 + 4.2 * columns, height * rows), layout='constrained')
    FigureCanvasAgg(figure)  # no pyplot: it would keep state and might look for a screen
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[number:]:
        axes.set_axis_off()
    for axes, task in zip(panels, study.tasks.values()):
        axes.set_title(task.name, fontsize='medium')
        axes.grid(alpha=0.3)
    return figure, panels[:number]


def _along(results: Sequence[Result], task: Task, cell: Cell,
           metrics: str) -> List[Tuple[float, Interval]]:
    """A cell's interval at each percentage that one of its runs reports."""
    names = {name for result in of_cell(results, task.name, cell.name)
             for name in result['metrics']}
    shares = sorted(int(name[len(metrics):]) for name in names
                    if name.startswith(metrics) and name[len(metrics):].isdigit())
    found = [(share, interval_of(results, task.name, cell.name, f'{metrics}{share}'))
             for share in shares]
    return [(share, one) for share, one in found if one]


def _lines(axes: Axes, study: Study, task: Task, results: Sequence[Result]) -> None:
    """Metric over x. A cell without x, which all others are held against, is a level."""
    colours = _colours(study)
    for series, cells in _by_series(study.cells_of(task.name)).items():
        found = [(cell, interval_of(results, task.name, cell.name, task.metric)) for cell in cells]
        style = dict(color=colours[series], label=series)
        points = sorted((cell.x, one) for cell, one in found if one and cell.x is not None)
        if points:
            axes.plot([x for x, _ in points], [one.mean for _, one in points], 'o-', markersize=4,
                      **style)
            _band(axes, points, colours[series])
        for cell, one in found:
            if cell.x is None and one:
                axes.axhline(one.mean, linestyle='--', **style)
                axes.axhspan(one.mean - _width(one), one.mean + _width(one), alpha=0.1,
                             color=colours[series], linewidth=0)
            _mark_missing(axes, cell, task, results, colours[series])
    if task.chance is not None:
        axes.axhline(task.chance, color='0.4', linestyle=':', label='chance')
    axes.set_xticks(sorted({cell.x for cell in study.cells if cell.x is not None}))
    axes.set_xlabel(study.x_label)
    axes.set_ylabel(task.metric)


def _categories(axes: Axes, study: Study, task: Task, results: Sequence[Result]) -> None:
    """A line a cell: the mean with its interval, and a small dot for each seed."""
    cells = study.cells_of(task.name)
    colours = _colours(study)
    labels = []
    for y, cell in enumerate(cells):
        found = of_cell(results, task.name, cell.name)
        counted = [result for result in found if not why_not_counted(result, task.metric)]
        one = interval_of(counted, task.name, cell.name, task.metric)
        if one:
            axes.plot([result['metrics'][task.metric] for result in counted], [y] * len(counted),
                      '.', color='0.6', markersize=4)
            axes.errorbar(one.mean, y, xerr=_width(one), fmt='o', color=colours[cell.series],
                          capsize=3, markersize=5)
        lost = len(found) - len(counted)
        labels.append(f'{cell.name} ({lost} of {len(found)} not counted)' if lost else cell.name)
    axes.set_yticks(range(len(cells)), labels, fontsize='small')
    axes.set_ylim(len(cells) - 0.5, -0.5)  # the first on top
    if task.chance is not None:
        axes.axvline(task.chance, color='0.4', linestyle=':')
    axes.set_xlabel(task.metric)


def draw_curves(study: Study, results: Sequence[Result], out: Path) -> Figure:
    """Training loss and validation metric as they went: a row a task, a colour a series.

    Where only the final test reports the task's metric, the first one of the validations is shown.
    Within a series the later cell is the darker one. Runs that do not count are left out, and so
    is what not all seeds of a cell logged.
    """
    figure = Figure(figsize=(12, 1 + 3.2 * len(study.tasks)), layout='constrained')
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(study.tasks), 2, squeeze=False)
    for (left, right), task in zip(rows, study.tasks.values()):
        watched = _watched(task, results)
        for cell, shade, colour in _shades(study, task):
            found = [result for result in of_cell(results, task.name, cell.name)
                     if not why_not_counted(result, task.metric)]
            for axes, kind, x, y in ((left, 'train', 'iter', 'loss'),
                                     (right, 'val', 'epoch', watched)):
                _curve(axes, _gather(found, kind, x, y), cell.name, colour, shade)
        left.set_title(f'{task.name}: training loss', fontsize='medium')
        right.set_title(f'{task.name}: {watched} in validation', fontsize='medium')
        left.set_xlabel('iteration')
        right.set_xlabel('epoch')
        for axes in (left, right):
            axes.grid(alpha=0.3)
    _legend(figure, rows.flat)
    write_whole(out, lambda draft: figure.savefig(draft, dpi=110))
    return figure


def _watched(task: Task, results: Sequence[Result]) -> str:
    """The task's metric, or the first one of the validations where only the test reports it."""
    entries = [entry for result in results if result['task'] == task.name
               for entry in result.get('curves', {}).get('val', ())]
    names = [name for entry in entries for name in entry if name != 'epoch']
    return task.metric if task.metric in names or not names else names[0]


def _gather(found: Iterable[Result], kind: str, x: str, y: str) -> Curve:
    """What every seed has logged, at each x."""
    found = list(found)
    curve: Curve = {}
    for result in found:
        seen = {entry[x]: entry[y] for entry in result.get('curves', {}).get(kind, ())
                if entry.get(y) is not None and math.isfinite(entry[y])}
        for place, value in seen.items():
            curve.setdefault(place, []).append(value)
    return {place: curve[place] for place in sorted(curve) if len(curve[place]) == len(found)}


def _curve(axes: Axes, curve: Curve, name: str, colour: str, shade: float) -> None:
    if not curve:
        return
    axes.plot(list(curve), [mean(values) for values in curve.values()], color=colour, alpha=shade,
              label=name, linewidth=1.2)
    _band(axes, [(x, interval(values)) for x, values in curve.items()], colour, 0.15 * shade)


def _band(axes: Axes, points: Sequence[Tuple[float, Interval]], colour: str,
          alpha: float = 0.15) -> None:
    axes.fill_between([x for x, _ in points], [one.mean - _width(one) for _, one in points],
                      [one.mean + _width(one) for _, one in points], color=colour, alpha=alpha,
                      linewidth=0)


def _width(one: Interval) -> float:
    """The half width to draw; that of one seed is unknown, and nothing is drawn."""
    return 0 if math.isinf(one.half) else one.half


def _mark_missing(axes: Axes, cell: Cell, task: Task, results: Sequence[Result],
                  colour: str) -> None:
    """A cross at the foot of the panel where runs of a cell do not count."""
    lost = [result for result in of_cell(results, task.name, cell.name)
            if why_not_counted(result, task.metric)]
    if lost and cell.x is not None:
        axes.plot(cell.x, 0.02, 'x', color=colour, transform=axes.get_xaxis_transform(),
                  label='runs not counted')


def _legend(figure: Figure, panels: Iterable[Axes]) -> None:
    """One for all panels, beside them; what several show is named once."""
    named = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            named.setdefault(label, handle)
    if named:
        figure.legend(named.values(), named.keys(), loc='outside right center', fontsize='small')


def _by_series(cells: Iterable[Cell]) -> Dict[str, List[Cell]]:
    groups: Dict[str, List[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.series, []).append(cell)
    return groups


def _colours(study: Study) -> Dict[str, str]:
    """Of each series, the same in all panels."""
    return {series: f'C{number % 10}' for number, series in enumerate(_by_series(study.cells))}


def _shades(study: Study, task: Task) -> List[Tuple[Cell, float, str]]:
    """Cells with how dark they are and their colour."""
    colours = _colours(study)
    return [(cell, 0.3 + 0.7 * (number + 1) / len(cells), colours[series])
            for series, cells in _by_series(study.cells_of(task.name)).items()
            for number, cell in enumerate(cells)]
