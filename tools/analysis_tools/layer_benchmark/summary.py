"""The figures to watch, each over all the shapes that were measured."""
from math import exp, log
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .memory import PROCESS, SAVED
from .report import REFERENCE, Report

Figure = Dict[str, Any]
"""``figure``, ``unit`` ('x' or '%'), ``mean`` (geometric), ``smallest``, ``largest``, ``goal``."""
Key = Tuple[str, str]
WORDS = {'train': 'forward + backward', 'forward': 'forward'}
LARGE = '128ch_28x28'
SPEED_GOALS = {'float32': 2.0, 'bfloat16': 6.0}  # of a training step, against naive float32
LARGE_GOALS = {'float32': 0.9, 'bfloat16': 0.6}  # share of the bound at the largest maps
MEMORY_GOAL, CONVLSTM_GOAL, STEP_GOAL = 0.4, 2.5, 1.3
"""What the project set out to reach."""


def summary(report: Report) -> List[Figure]:
    """Speed, share of the bound, memory, ConvLSTM, streaming; None where nothing was measured."""
    dtype = report['settings']['dtype']
    fast, bound = ('fast', dtype), ('bound', dtype)

    def faster(mode: str, key: Key, than: Key) -> List[float]:
        return quotients(report, mode, 'seconds_median', than, key)

    goals = {'train': SPEED_GOALS[dtype]}
    figures = [_figure(f'{WORDS[mode]}: fast {dtype} against naive float32', 'x',
                       [ratio for ratio in _column(report, mode, fast, 'ratio_to_naive') if ratio],
                       goals.get(mode))
               for mode in WORDS]
    figures.append(_figure(f'{WORDS["train"]}: fast {dtype} against cbm_plain float32', 'x',
                           faster('train', fast, ('cbm_plain', 'float32')), SPEED_GOALS[dtype]))
    figures.append(_figure(f'{WORDS["train"]}: bound {dtype} against naive float32 (the ceiling)',
                           'x', quotients(report, 'train', 'seconds_median', REFERENCE, bound)))
    if dtype != 'float32':
        figures.append(_figure(f'{WORDS["train"]}: fast {dtype} against naive {dtype}', 'x',
                               faster('train', fast, ('naive', dtype))))
    for mode in WORDS:
        shares = quotients(report, mode, 'seconds_median', bound, fast)
        large = quotients(report, mode, 'seconds_median', bound, fast, only=LARGE)
        figures += [_figure(f'{WORDS[mode]}: fast, of bound', '%', shares),
                    _figure(f'{WORDS[mode]}: fast, of bound, at {LARGE}', '%', large,
                            LARGE_GOALS[dtype] if mode == 'train' else None)]
    figures += [_figure(f'{words}: fast, of naive float32', '%',
                        quotients(report, 'train', column, fast, REFERENCE), MEMORY_GOAL)
                for column, words in ((SAVED, 'saved for backward'),
                                      (PROCESS, 'peak memory of a training step'))]
    figures.append(_figure('saved for backward: fast, of cbm_plain float32', '%',
                           quotients(report, 'train', SAVED, fast, ('cbm_plain', 'float32')),
                           MEMORY_GOAL))
    for impl in ('convlstm', 'convlstm_plain'):
        figures.append(_figure(f'{WORDS["train"]}: fast against {impl}', 'x',
                               faster('train', fast, (impl, dtype)),
                               CONVLSTM_GOAL if impl == 'convlstm' else None))
    figures.append(_figure('one `step()`, fast, of a T-th of a whole sequence', '%',
                           step_shares(report, fast), STEP_GOAL))
    return figures


def _figure(name: str, unit: str, values: Sequence[float],
            goal: Optional[float] = None) -> Figure:
    mean = exp(sum(map(log, values)) / len(values)) if values else None
    return dict(figure=name, unit=unit, mean=mean, smallest=min(values, default=None),
                largest=max(values, default=None), goal=goal)


def quotients(report: Report, mode: str, column: str, above: Key, below: Key,
              only: Optional[str] = None) -> List[float]:
    """One implementation's column over another's, for each shape that has both."""
    pairs = zip(report['shapes'], _column(report, mode, above, column),
                _column(report, mode, below, column))
    return [top / bottom for shape, top, bottom in pairs
            if top and bottom and only in (None, shape['shape'])]


def step_shares(report: Report, key: Key) -> List[float]:
    """Seconds of one step over a T-th of those of a forward pass, shape by shape."""
    both = zip(report['shapes'], _column(report, 'step', key, 'seconds_median'),
               _column(report, 'forward', key, 'seconds_median'))
    return [step * shape['steps'] / whole for shape, step, whole in both if step and whole]


def _column(report: Report, mode: str, key: Key, name: str) -> List[Optional[float]]:
    found = {row['shape']: row[name] for row in report['rows']
             if (row['mode'], row['impl'], row['dtype']) == (mode, *key)}
    return [found.get(shape['shape']) for shape in report['shapes']]
