"""Timing in turns, and the rows of figures that come of it."""
import json
import statistics
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from cbm_plugin.progress import Progress

Seconds = Dict[str, List[float]]
"""Of each side, in each round."""
Row = Dict[str, Any]


class Goal(NamedTuple):
    """What a ratio should be.

    Args:
        value: the least, or the most.
        at_most: it is the most.
    """
    value: float
    at_most: bool = False

    def met(self, ratio: float) -> bool:
        """Whether a ratio is good enough."""
        return ratio <= self.value if self.at_most else ratio >= self.value

    def __str__(self) -> str:
        return f'at {"most" if self.at_most else "least"} {self.value:g}'


def in_turns(sides: Dict[str, Callable[[], Any]], rounds: int) -> Seconds:
    """Seconds of each side in each round: A B C A B C, so that whatever else the machine does meets
    all alike. Each has run once before.
    """
    seconds: Seconds = {name: [] for name in sides}
    progress = Progress('rounds', rounds)
    for done in range(1, rounds + 1):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
        progress.update(done)
    return seconds


def ratio_row(what: str, above: Sequence[float], below: Sequence[float], unit: str = 's',
              goal: Optional[Goal] = None, bound: str = '') -> Row:
    """A ratio of two sides: the median over the rounds of each round's own ratio.

    Args:
        what: is compared, the one above first.
        above, below: of each round.
        unit: of these.
        goal: default None: there is none.
        bound: what hinders a better ratio, as far as that was measured.
    """
    ratios = [a / b for a, b in zip(above, below)]
    ratio = statistics.median(ratios)
    return dict(what=what, unit=unit, above=list(above), below=list(below), ratio=ratio,
                lowest=min(ratios), highest=max(ratios), goal=str(goal or ''),
                met=None if goal is None else goal.met(ratio), bound=bound)


def markdown(report: Dict[str, Any]) -> str:
    """The table of a page, and below it what bounds the goals that were missed."""
    machine = report['machine']
    lines = [f'`{report["command"]}`', '',
             f'{machine["cpu"]}, {machine["cores"]} cores, {machine["threads"]} threads, '
             f'{machine["isa"]}, PyTorch {machine["torch"]}; load {machine["load_before"]} at the '
             'start.', '',
             '| what | medians | ratio | lowest to highest | goal | met |',
             '| --- | --- | --- | --- | --- | --- |']
    lines += [_line(row) for row in report['rows']]
    missed = [row for row in report['rows'] if row['met'] is False]
    if missed:
        lines += ['', 'Missed:', '']
        lines += [f'- {row["what"]}: {row["ratio"]:.2f}, goal {row["goal"]}. '
                  f'{row["bound"] or "What bounds it was not measured."}' for row in missed]
    return '\n'.join(lines) + '\n'


def _line(row: Row) -> str:
    above, below = (statistics.median(row[side]) for side in ('above', 'below'))
    met = {None: '', True: 'yes', False: 'no'}[row['met']]
    return (f'| {row["what"]} | {above:.4g} / {below:.4g} {row["unit"]} | {row["ratio"]:.2f} | '
            f'{row["lowest"]:.2f} to {row["highest"]:.2f} | {row["goal"]} | {met} |')


def as_json(report: Dict[str, Any]) -> str:
    """All figures."""
    return json.dumps(report, indent=1) + '\n'
