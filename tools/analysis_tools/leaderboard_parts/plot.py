"""Bars with spread, one panel for each data set."""
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Dict, List, Sequence, Tuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .table import OURS, Row


def draw(rows: Sequence[Row], metric: str, out: Path) -> None:
    """Ours in colour with a dot for each seed, published grey and hatched."""
    panels: Dict[Tuple[str, str], List[Row]] = defaultdict(list)
    for row in rows:
        if row.values.get(metric):
            panels[row.data, row.split].append(row)
    heights = [1 + .4 * len(members) for members in panels.values()] or [1]
    figure = Figure(figsize=(10, 1 + sum(heights)), layout='constrained')
    FigureCanvasAgg(figure)  # no pyplot: it would keep state and might look for a screen
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for place, ((data, split), members) in zip(axes, panels.items()):
        for y, row in enumerate(members):
            values = row.values[metric]
            ours = row.origin == OURS
            place.barh(y, mean(values), xerr=stdev(values) if len(values) > 1 else None,
                       color='C0' if ours else '0.85', hatch=None if ours else '//',
                       edgecolor='none' if ours else '0.5', capsize=3)
            if ours:
                place.plot(values, [y] * len(values), 'k.', markersize=4)
        place.set_yticks(range(len(members)), [_label(row) for row in members], fontsize='small')
        place.invert_yaxis()
        place.set_xlim(0, 100)
        place.set_title(f'{data}, {split}' if split else data, fontsize='medium')
    axes[-1].set_xlabel(f'{metric}, % (ours: mean and standard deviation over seeds; '
                        'hatched: published by others)')
    figure.savefig(out, dpi=110)


def _label(row: Row) -> str:
    name = row.model if len(row.model) <= 60 else row.model[:57] + '...'
    return name if row.origin == OURS else f'{name}, {row.protocol.split(":")[0]}'
