"""The course of a training as one picture, drawn from the log files that MMEngine writes itself."""
import json
import math
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..files import write_whole
from ..registry import HOOKS

Curve = List[Tuple[int, float]]


class History(NamedTuple):
    """What a training logged: for each quantity its values as (iteration, value), in order.

    ``iters_per_epoch`` is None where the log counts no epochs.
    """
    train: Dict[str, Curve]
    val: Dict[str, Curve]
    iters_per_epoch: Optional[float]


@HOOKS.register_module()
class CurvesHook(Hook):
    """Draws the training's curves into its work dir when the training ends.

    Loss and its parts, coherence and validation accuracies over iterations, as
    :func:`draw_curves` does; ``tools/analysis_tools/plot_curves.py`` draws the same for a training
    that was aborted. A failure to draw is logged and never ends a finished training.

    Args:
        out: Name of the picture, within the work dir.
    """

    # After the hooks that log the last values.
    priority = 'VERY_LOW'

    def __init__(self, out: str = 'curves.png') -> None:
        self.out = out

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Draw the picture, and log where it is or why there is none."""
        try:
            path = draw_curves([runner.work_dir], Path(runner.work_dir) / self.out)
        except Exception as error:
            runner.logger.warning(f'Drew no curves: {type(error).__name__}: {error}')
        else:
            runner.logger.info(f'Curves of this training: {path}')


def draw_curves(work_dirs: Sequence[Union[str, Path]], out: Union[str, Path]) -> Path:
    """Draw the curves of one or several trainings into one picture.

    Args:
        work_dirs: Work dirs of the trainings, finished or not.
        out: Picture to write; its ending chooses the format.

    Returns:
        The path of the picture.

    Raises:
        ValueError: If a work dir holds no log of a training.
    """
    names = _short_names([Path(work_dir) for work_dir in work_dirs])
    runs = {name: read_history(work_dir) for name, work_dir in zip(names, work_dirs)}
    panels = {}
    for title, belongs in PANELS.items():
        curves = _choose(runs, belongs)
        if curves:
            panels[title] = curves

    # A figure of its own: pyplot would keep state and might look for a screen.
    figure = Figure(figsize=(5 * len(panels), 4), layout='constrained')
    FigureCanvasAgg(figure)
    for axes, (title, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0],
                                     panels.items()):
        _draw_panel(axes, title, curves)
        lengths = {run.iters_per_epoch for run in runs.values()}
        if len(lengths) == 1 and None not in lengths:
            _add_epochs(axes, lengths.pop())
    write_whole(Path(out), lambda draft: figure.savefig(draft, dpi=110))
    return Path(out)


def read_history(work_dir: Union[str, Path]) -> History:
    """Read what the training in a work dir logged, over all its starts.

    MMEngine writes one log for each start, into a folder named after the time. A resumed training
    goes back to a checkpoint: what the starts before it logged from there on was thrown away with
    the weights, and is left out. It may begin with the validation that the one before it was killed
    in.

    Raises:
        ValueError: If there is no log of a training.
    """
    train: Dict[str, Curve] = {}
    val: Dict[str, Curve] = {}
    epochs: Dict[int, int] = {}
    for log in _log_files(Path(work_dir)):
        rows = list(_positioned_rows(log, epochs))
        if not any(is_train or row.get('step') in epochs for _, is_train, row in rows):
            continue  # a test, or a start that ended before its first log
        _cut(train, min((i for i, is_train, _ in rows if is_train), default=math.inf))
        _cut(val, min(i for i, _, _ in rows))
        for iteration, is_train, row in rows:
            if is_train and 'epoch' in row:
                epochs[row['epoch']] = iteration
            for key, value in _scalars(row):
                (train if is_train else val).setdefault(key, []).append((iteration, value))
    if not _without_empty(train):
        raise ValueError(
            f'{work_dir} holds no log of a training (no vis_data/*.json with training losses): '
            'give the work dir of a training whose visualizer has '
            "vis_backends=[dict(type='LocalVisBackend')]")
    # The last row of an epoch lies less than a logging interval before its end, but that of the
    # last epoch anywhere: one epoch alone says nothing.
    several = len(epochs) > 1
    iters_per_epoch = max(i / epoch for epoch, i in epochs.items()) if several else None
    return History(_without_empty(train), _without_empty(val), iters_per_epoch)


def _log_files(work_dir: Path) -> Iterator[Path]:
    """One log for each start, the earliest first."""
    folders = sorted({path.parent for pattern in ('vis_data/*.json', '*/vis_data/*.json')
                      for path in work_dir.glob(pattern)})
    for folder in folders:
        # scalars.json holds the same and what others add to the visualizer.
        own = sorted(path for path in folder.glob('*.json') if path.name != 'scalars.json')
        yield from own or [folder / 'scalars.json']


def _cut(curves: Dict[str, Curve], begin: float) -> None:
    """Leave out what a later start did again."""
    for curve in curves.values():
        curve[:] = [point for point in curve if point[0] < begin]


def _positioned_rows(log: Path, epochs: Dict[int, int]) -> Iterator[Tuple[int, bool, dict]]:
    """Rows of a log as (iteration, whether it is of training, row).

    Only rows of training hold their iteration. One of validation counts at the last row of training
    before it: its own step may be an epoch, an iteration or 0, depending on the loop. Where a log
    begins with one, its step is looked up in ``epochs``, the last rows of the starts before.
    """
    iteration = 0
    for line in log.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # cut off when the training was killed
        if not isinstance(row, dict):
            continue
        is_train = 'iter' in row
        step = int(row.get('step', 0))
        if is_train:
            iteration = int(row['iter'])
        else:
            iteration = max(iteration, step if iteration else epochs.get(step, step))
        yield iteration, is_train, row


def _scalars(row: dict) -> Iterator[Tuple[str, float]]:
    for key, value in row.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            # log_with_hierarchy=True puts the mode before the name.
            yield key.split('/', 1)[1] if key.startswith(('train/', 'val/')) else key, float(value)


def _without_empty(curves: Dict[str, Curve]) -> Dict[str, Curve]:
    return {key: curve for key, curve in curves.items() if curve}


_NO_METRICS = ('time', 'data_time', 'step', 'epoch', 'iter', 'memory')


def _is_accuracy(key: str) -> bool:
    return 'acc' in key or key.startswith(('top', 'mean'))


# What each panel shows: by the quantity's name, and whether it comes from validation.
PANELS: Dict[str, Callable[[str, bool], bool]] = {
    'training loss': lambda key, is_val: not is_val and 'loss' in key,
    'coherence': lambda key, is_val: not is_val and key == 'coherence',
    'accuracy': lambda key, is_val: _is_accuracy(key) and key not in _NO_METRICS,
    'validation': lambda key, is_val: is_val and not _is_accuracy(key) and key not in _NO_METRICS,
}


def _choose(runs: Dict[str, History], belongs: Callable[[str, bool], bool]) -> Dict[str, tuple]:
    """The curves of one panel, by label: (curve, is it validation, number of the run)."""
    chosen = {}
    for number, (name, run) in enumerate(runs.items()):
        for is_val, curves in ((False, run.train), (True, run.val)):
            for key, curve in curves.items():
                if belongs(key, is_val):
                    label = f'{key} (training)' if _is_accuracy(key) and not is_val else key
                    chosen[f'{name}: {label}' if len(runs) > 1 else label] = (curve, is_val, number)
    return chosen


def _draw_panel(axes: Axes, title: str, curves: Dict[str, tuple]) -> None:
    several_runs = len({number for _, _, number in curves.values()}) > 1
    lines, styles = ('-', '--', ':', '-.'), {}
    for index, (label, (curve, is_val, number)) in enumerate(curves.items()):
        # Of several runs each has its colour, and each quantity its line.
        style = styles.setdefault(label.rsplit(': ', 1)[-1], lines[len(styles) % len(lines)])
        axes.plot(
            *zip(*curve),
            label=label,
            color=f'C{(number if several_runs else index) % 10}',
            linestyle=style if several_runs else '-',
            marker='o' if is_val or len(curve) == 1 else None,
            markersize=3,
            linewidth=1.5 if is_val or title != 'accuracy' else 0.8)
    if title == 'accuracy':
        axes.set_ylim(-0.02, 1.02)
    axes.set_title(title)
    axes.set_xlabel('iteration')
    # No common factor of ten above the axis: the epochs are written there.
    axes.yaxis.set_major_formatter('{x:.4g}')
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small')


def _add_epochs(axes: Axes, iters_per_epoch: float) -> None:
    epochs = axes.secondary_xaxis(
        'top', functions=(lambda i: i / iters_per_epoch, lambda e: e * iters_per_epoch))
    epochs.set_xlabel('epoch', fontsize='small')
    epochs.tick_params(labelsize='small')


def _short_names(work_dirs: Sequence[Path]) -> List[str]:
    """The folders' names, with as many of their parents as it takes to tell them apart."""
    paths = [work_dir.resolve() for work_dir in work_dirs]
    for depth in range(1, 1 + max(len(path.parts) for path in paths)):
        names = ['/'.join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names
