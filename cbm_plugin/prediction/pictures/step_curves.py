"""Metrics over predicted time steps, several runs in one picture and in one table."""
import json
import math
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...files import write_whole

TABLE_STEPS = (1, 10, 20)
"""Those that the published tables name."""

MARKS = 25
"""Curves of at most so many steps have a mark at each."""

TITLES = dict(psnr='PSNR, dB (higher is better)', ssim='SSIM (higher is better)',
              mse='MSE per pixel (lower is better)', mae='MAE per pixel (lower is better)',
              mse_per_frame='MSE per frame (lower is better)',
              mae_per_frame='MAE per frame (lower is better)', lpips='LPIPS (lower is better)')


class StepRun(NamedTuple):
    """What one test found.

    Args:
        path: the file it comes from.
        protocol: what must be equal for two runs to be compared, by its name.
        curves: of each metric, its value at each predicted step, ``(P,)``.
    """
    path: Path
    protocol: Dict[str, int]
    curves: Dict[str, np.ndarray]


Groups = Dict[str, List[StepRun]]
"""The runs of each label; several are seeds of one model."""


def read_groups(files: Sequence[Tuple[Optional[str], Path]], force: bool = False) -> Groups:
    """Read what ``FramePredictionMetric(out_file=...)`` wrote.

    Args:
        files: each with its label. Without one it is called after its folder; after the one above
            where that is ``seed0``, ``seed1``, ...; with the file's own name where several files
            lie in one folder. Files of the same label are seeds of one model.
        force: accept files of different protocols. Default False.

    Raises:
        ValueError: a file is none of the metric's; two differ in inputs, sequences or steps; or,
            forced or not, seeds of one model differ in steps or metrics.
    """
    paths = [path.resolve() for _, path in files]
    groups: Groups = {}
    first: Optional[StepRun] = None
    for label, path in files:
        run = _read(path)
        first = first or run
        if not force:
            _check_alike(first, run, tuple(WORDS))
        group = groups.setdefault(label or _label(path.resolve(), paths), [])
        _check_alike(group[0] if group else run, run, ('steps', ))
        if group and set(group[0].curves) != set(run.curves):
            raise ValueError(f'{run.path} has {sorted(run.curves)}, but {group[0].path}, of the '
                             f'same model, {sorted(group[0].curves)}: test both with the same '
                             'metrics')
        group.append(run)
    return groups


def chosen_metrics(groups: Groups, wanted: Optional[Sequence[str]] = None) -> List[str]:
    """The metrics to show: those wanted, by default all that every run has.

    Raises:
        ValueError: a run lacks one that is wanted, or there is none that every run has.
    """
    runs = [run for group in groups.values() for run in group]
    for name in wanted or ():
        for run in runs:
            if name not in run.curves:
                raise ValueError(f"{run.path} has no metric '{name}', but {sorted(run.curves)}: "
                                 'choose among them, or test again with '
                                 f"FramePredictionMetric(metrics=[..., '{name}'])")
    shared = list(wanted or [name for name in runs[0].curves
                             if all(name in run.curves for run in runs)])
    if not shared:
        raise ValueError('the files have no metric in common: test again with the same metrics')
    return shared


def draw_step_curves(groups: Groups, out: Union[str, Path],
                     metrics: Optional[Sequence[str]] = None) -> None:
    """Draw a panel for each metric, with a line for each label; the file's ending is its format.

    Of several seeds, the mean, and a band of one standard deviation. In brackets in the legend is
    the mean over the steps.

    Raises:
        ValueError: see :func:`chosen_metrics`.
    """
    names = chosen_metrics(groups, metrics)
    # A figure of its own: pyplot would keep state and might look for a screen.
    figure = Figure(figsize=(5.2 * len(names), 4.2), layout='constrained')
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        _draw_panel(axes, name, groups)
    figure.supxlabel(f'predicted step ({_protocol_words(groups)})', fontsize='medium')
    write_whole(Path(out), lambda draft: figure.savefig(draft, dpi=130))


def markdown_table(groups: Groups, metrics: Optional[Sequence[str]] = None) -> str:
    """A row for each label: mean over all steps, and the value at T1, T10 and T20.

    Of several seeds, mean and standard deviation; steps that were not predicted are a dash.

    Raises:
        ValueError: see :func:`chosen_metrics`.
    """
    names = chosen_metrics(groups, metrics)
    columns = [(name, step) for name in names for step in (None, *TABLE_STEPS)
               if step is None or any(step <= run.protocol['steps'] for group in groups.values()
                                      for run in group)]
    head = ['model', 'seeds', *(name if step is None else f'{name} T{step}'
                                for name, step in columns)]
    rows = [[label, str(len(group)), *(_cell(group, name, step) for name, step in columns)]
            for label, group in groups.items()]
    lines = [head, ['---'] + ['---:'] * (len(head) - 1), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _read(path: Path) -> StepRun:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        curves = {name: np.array(values, float) for name, values in content['metrics'].items()}
        steps = {len(values) for values in curves.values()}
        if len(steps) != 1 or 0 in steps:
            raise ValueError(f'its metrics have {sorted(steps)} steps')
        protocol = dict(num_inputs=int(content['num_inputs']), sequences=int(content['sequences']),
                        steps=steps.pop())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path} is no file of FramePredictionMetric ({type(error).__name__}: '
                         f"{error}): give it out_file='steps.json' and test again") from None
    return StepRun(path, protocol, curves)


WORDS = dict(num_inputs='inputs', sequences='sequences', steps='predicted steps')


def _check_alike(one: StepRun, other: StepRun, keys: Sequence[str]) -> None:
    if any(one.protocol[key] != other.protocol[key] for key in keys):
        said = [', '.join(f'{run.protocol[key]} {WORDS[key]}' for key in keys)
                for run in (one, other)]
        raise ValueError(f'{one.path} has {said[0]}, but {other.path} {said[1]}: their numbers '
                         'cannot be compared; test both in the same way')


def _label(path: Path, paths: Sequence[Path]) -> str:
    folder = path.parent
    several = len({other for other in paths if other.parent == folder}) > 1
    if re.fullmatch(r'seed_?\d+', folder.name):
        folder = folder.parent
    return f'{folder.name}/{path.stem}' if several else folder.name


def _values(group: Sequence[StepRun], name: str) -> np.ndarray:
    """``(seeds, steps)``."""
    return np.stack([run.curves[name] for run in group])


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation over seeds, of a sample; 0 for one seed."""
    return values.std(axis=0, ddof=1 if len(values) > 1 else 0)


def _draw_panel(axes: Axes, name: str, groups: Groups) -> None:
    for number, (label, group) in enumerate(groups.items()):
        values = _values(group, name)
        mean, spread = values.mean(axis=0), _spread(values)
        steps = np.arange(1, len(mean) + 1)
        colour = f'C{number % 10}'
        axes.plot(steps, mean, color=colour, linestyle=('-', '--', ':', '-.')[number // 10 % 4],
                  marker='o' if len(steps) <= MARKS else None, markersize=3,
                  label=f'{label} ({_cell(group, name)})')
        if len(group) > 1:
            axes.fill_between(steps, mean - spread, mean + spread, color=colour, alpha=0.15,
                              linewidth=0)
    axes.set_title(TITLES.get(name, name), fontsize='medium')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small')


def _protocol_words(groups: Groups) -> str:
    runs = [run for group in groups.values() for run in group]
    return ', '.join(
        f'{" or ".join(map(str, sorted({run.protocol[key] for run in runs})))} {WORDS[key]}'
        for key in ('num_inputs', 'sequences'))


def _cell(group: Sequence[StepRun], name: str, step: Optional[int] = None) -> str:
    """Four digits of a value, and its deviation over seeds to the same place."""
    values = _values(group, name)
    if step is not None and step > values.shape[1]:
        return '–'
    of_seeds = values.mean(axis=1) if step is None else values[:, step - 1]
    mean = float(of_seeds.mean())
    if not math.isfinite(mean):
        return str(mean)
    decimals = max(0, 3 - math.floor(math.log10(abs(mean)))) if mean else 3
    spread = f' ± {_spread(of_seeds):.{decimals}f}' if len(group) > 1 else ''
    return f'{mean:.{decimals}f}{spread}'
