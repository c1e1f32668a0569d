"""The report in Markdown."""
from typing import Any, Dict, List, Optional, Sequence

from .memory import CONTEXTS, PROCESS, SAVED
from .report import Report, Row
from .summary import summary

LEGEND = (
    'Seconds are the median of the rounds (and the least). *Against naive*: speed-up over naive '
    'float32, median (and range) over the rounds, in each of which all ran once. *Of bound*: the '
    "time of the CBM stack's convolutions alone, over all frames at once, in parts of this time. "
    '*Saved*: bytes that autograd saves for backward. *On contexts*: what custom functions keep '
    'besides, such as reordered weights, whatever the number of frames. *Peak*: what one training '
    "step adds to a new process's peak resident memory (on a GPU: to the allocated memory).")


def markdown(report: Report) -> str:
    """The machine, the summary, and a table for each shape."""
    parts = [machine_line(report), summary_table(report), LEGEND]
    parts += [shape_table(report, shape) for shape in report['shapes']]
    return '\n\n'.join(parts) + '\n'


def machine_line(report: Report) -> str:
    """The command, and the machine it ran on."""
    facts, settings = report['machine'], report['settings']
    tf32 = ' (convolutions in TF32)' if facts['tf32'] else ''
    device = f"{facts['gpu']}{tf32}, " if facts['gpu'] else ''
    return (f"`{settings['command']}`\n\n"
            f"{device}{facts['cpu']}, {facts['cores']} cores, {facts['threads']} threads, "
            f"{facts['isa']}, torch {facts['torch']}; load {facts['load_before']} at the start.")


def summary_table(report: Report) -> str:
    """Geometric mean and range over the shapes."""
    cells = [['figure', 'goal', 'geometric mean', 'smallest', 'largest']]
    for figure in summary(report):
        values = [figure[name] for name in ('goal', 'mean', 'smallest', 'largest')]
        form = _percent if figure['unit'] == '%' else _times
        cells.append([figure['figure'], *map(form, values)])
    return _table(cells)


def shape_table(report: Report, shape: Dict[str, Any]) -> str:
    """All implementations at one shape."""
    rows = [row for row in report['rows'] if row['shape'] == shape['shape']]
    keys = dict.fromkeys((row['impl'], row['dtype']) for row in rows)
    cells = [['implementation', 'forward, s', 'against naive', 'of bound',
              'forward + backward, s', 'against naive', 'of bound',
              'saved, MB', 'on contexts, MB', 'peak, MB']]
    for impl, dtype in keys:
        own = {row['mode']: row for row in rows if (row['impl'], row['dtype']) == (impl, dtype)}
        line = [f'{impl} {dtype}']
        for mode in ('forward', 'train'):
            row = own[mode]
            line += [f"{row['seconds_median']:.3g} ({row['seconds_min']:.3g})", _ratio(row),
                     _percent(row['share_of_bound'])]
        cells.append(line + [_megabytes(own['train'][name]) for name in (SAVED, CONTEXTS, PROCESS)])
    return '\n'.join([f"**{shape['label']}**, {_bound_line(shape, rows)}", '', _table(cells),
                      *_step_lines(rows, shape['steps'])])


def _bound_line(shape: Dict[str, Any], rows: Sequence[Row]) -> str:
    reached = {row['mode']: shape[f"{row['mode']}_flops"] / row['seconds_median'] / 1e9
               for row in rows if row['impl'] == 'bound'}
    return (f"{shape['train_flops'] / 1e9:,.1f} GFLOP a training step; bound in "
            f"{shape['bound_layout']}: {reached['forward']:.0f} GFLOP/s forward, "
            f"{reached['train']:.0f} forward + backward")


def _step_lines(rows: Sequence[Row], steps: int) -> List[str]:
    lines = []
    for row in rows:
        if row['mode'] == 'step':
            whole = next(other['seconds_median'] for other in rows if other['mode'] == 'forward'
                         and (other['impl'], other['dtype']) == (row['impl'], row['dtype']))
            lines += ['', f"One `step()`, {row['impl']} {row['dtype']}: "
                      f"{1e3 * row['seconds_median']:.2f} ms; 1/T of a whole sequence: "
                      f'{1e3 * whole / steps:.2f} ms.']
    return lines


def _ratio(row: Row) -> str:
    if row['ratio_to_naive'] is None:
        return ''
    return f"{_times(row['ratio_to_naive'])} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"


def _times(ratio: Optional[float]) -> str:
    return '' if ratio is None else f'{ratio:.2f}x'


def _percent(share: Optional[float]) -> str:
    return '' if share is None else f'{100 * share:.0f}%'


def _megabytes(number: Optional[int]) -> str:
    return '' if number is None else f'{number / 1e6:.1f}'


def _table(cells: Sequence[Sequence[str]]) -> str:
    lines = [cells[0], ['---'] * len(cells[0]), *cells[1:]]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)
