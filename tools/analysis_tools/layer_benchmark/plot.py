"""One picture: speed and memory of all implementations against naive float32, shape by shape."""
from pathlib import Path
from typing import Any, Dict, Tuple

from cbm_plugin.files import write_whole

from .memory import SAVED
from .report import REFERENCE, Report, Row

COLOURS = {'naive': 'tab:gray', 'cbm_plain': 'tab:olive', 'fast': 'tab:blue',
           'convlstm': 'tab:orange', 'convlstm_plain': 'tab:brown', 'bound': 'lightsteelblue'}
Rows = Dict[Tuple[str, str, str], Row]
"""The rows of training steps by shape, implementation and dtype."""


def draw(report: Report, path: Path) -> None:
    """Bars in groups of one shape: speed-up of a training step above, saved memory below."""
    from matplotlib import use
    use('Agg')
    from matplotlib import pyplot
    rows: Rows = {(row['shape'], row['impl'], row['dtype']): row for row in report['rows']
                  if row['mode'] == 'train'}
    figure, (speed, memory) = pyplot.subplots(
        2, 1, figsize=(4 + 1.4 * len(report['shapes']), 7), sharex=True, layout='constrained')
    _bars(speed, report, rows, 'ratio_to_naive')
    speed.set_ylabel('speed-up of forward + backward\n(naive float32 = 1)')
    _bars(memory, report, rows, SAVED)
    memory.set_ylabel('bytes saved for backward\n(naive float32 = 1)')
    memory.set_xticks(range(len(report['shapes'])),
                      [_label(shape, rows) for shape in report['shapes']], fontsize='small')
    figure.legend(*speed.get_legend_handles_labels(), loc='outside upper center', ncols=3,
                  fontsize='small')
    facts = report['machine']
    figure.supxlabel(f"{facts['gpu'] or facts['cpu']}, {facts['threads']} threads, torch "
                     f"{facts['torch']}", fontsize='small')
    write_whole(path, lambda temporary: figure.savefig(temporary, dpi=150))
    pyplot.close(figure)


def _label(shape: Dict[str, Any], rows: Rows) -> str:
    """The shape, and what 1 stands for."""
    lines = [shape['label'].replace(' N', '\nN')]
    naive = rows.get((shape['shape'], *REFERENCE))
    if naive is not None:
        lines.append(f"naive: {naive['seconds_median']:.2g} s, {naive[SAVED] / 1e6:.0f} MB")
    return '\n'.join(lines)


def _bars(axes: Any, report: Report, rows: Rows, column: str) -> None:
    """``column`` in units of naive float32's."""
    shapes = [shape['shape'] for shape in report['shapes']]
    keys = [key for key in dict.fromkeys(name[1:] for name in rows) if key != REFERENCE]
    width, highest = 0.8 / len(keys), 1.0
    for number, key in enumerate(keys):
        places, heights, spread = [], [], ([], [])
        for place, shape in enumerate(shapes):
            row, naive = rows.get((shape, *key)), rows.get((shape, *REFERENCE))
            if row and naive and row[column]:
                places.append(place + width * (number - (len(keys) - 1) / 2))
                heights.append(row[column] / naive[column])
                spread[0].append(row['ratio_to_naive'] - row['ratio_min'])
                spread[1].append(row['ratio_max'] - row['ratio_to_naive'])
        highest = max([highest, *heights])
        axes.bar(places, heights, width, label=' '.join(key), color=COLOURS[key[0]],
                 yerr=spread if column == 'ratio_to_naive' else None, capsize=2)
    axes.set_ylim(0, 1.15 * highest)  # whatever one disturbed round did to a range
    axes.axhline(1, color='black', linewidth=0.8, label=' '.join(REFERENCE))
