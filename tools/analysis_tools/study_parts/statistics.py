"""Means over seeds with their intervals, and what they say of a claim."""
import math
from statistics import mean, stdev
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from scipy import stats

from .definition import Claim, Study, Task
from .store import DONE, Result

CONFIDENCE = 0.95

HOLDS, REVERSED, UNDECIDED, NO_RESULT = 'holds', 'does not hold here', 'undecided', 'no result'
"""What one comparison says, and a claim all of whose comparisons agree."""
PARTLY = 'holds in part'
"""What a claim gets if some of its comparisons hold and others do not, or are not decided."""


class Interval(NamedTuple):
    """A mean over seeds, and the half width of the interval that holds the true mean.

    ``half`` is infinite where there is one seed alone: nothing is known of the spread.
    """
    mean: float
    half: float
    count: int

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half

    def above(self, other: 'Interval') -> bool:
        """It lies above the other, and the two do not touch."""
        return self.low > other.high

    def __str__(self) -> str:
        """``0.883 +- 0.046``: the half width with two digits, the mean as far as that."""
        if math.isinf(self.half):
            return f'{self.mean:.4g} (one seed)'
        if self.half == 0:
            return f'{self.mean:.4g} +- 0'
        decimals = max(0, 1 - math.floor(math.log10(self.half)))
        return f'{self.mean:.{decimals}f} +- {self.half:.{decimals}f}'


class Comparison(NamedTuple):
    """Two cells on a task; a side is None where none of its runs was finished.

    Attributes:
        difference: of the better cell less the worse one, seed by seed: what a seed does to both,
            such as drawing easy training videos, is not in it. None without a common seed.
    """
    task: Task
    better: str
    worse: str
    outcome: str
    sides: Tuple[Optional[Interval], Optional[Interval]]
    difference: Optional[Interval]


class Verdict(NamedTuple):
    """What the results say of a claim."""
    claim: Claim
    outcome: str
    comparisons: List[Comparison]


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The interval of the mean by Student's t, which holds for few seeds too.

    Args:
        values: one a seed.
        confidence: default 0.95, as is usual.

    Raises:
        ValueError: there is no value, or one that is no number.
    """
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError(f'an interval needs finite values, and got {list(values)}')
    count = len(values)
    if count == 1:
        return Interval(values[0], math.inf, 1)
    reach = stats.t.ppf((1 + confidence) / 2, count - 1)
    return Interval(mean(values), float(reach) * stdev(values) / math.sqrt(count), count)


def of_cell(results: Sequence[Result], task: str, cell: str) -> List[Result]:
    """All results of a cell on a task, those that do not count too, by seed."""
    return sorted((result for result in results
                   if result['task'] == task and result['cell'] == cell),
                  key=lambda result: result['seed'])


def why_not_counted(result: Result, metric: str) -> str:
    """Why a result has no part in a mean; empty if it has one."""
    if result['status'] != DONE:
        return f"{result['status']}: {result['reason']}"
    value = result['metrics'].get(metric)
    if value is None:
        reported = ', '.join(sorted(result['metrics'])) or 'nothing'
        return f'its test does not report {metric}, but {reported}'
    return '' if math.isfinite(value) else f'its {metric} is {value}'


def interval_of(results: Sequence[Result], task: str, cell: str,
                metric: str) -> Optional[Interval]:
    """The interval of a cell's metric over the runs that count, None if there are none."""
    values = _by_seed(results, task, cell, metric)
    return interval([*values.values()]) if values else None


def _by_seed(results: Sequence[Result], task: str, cell: str, metric: str) -> Dict[int, float]:
    return {result['seed']: result['metrics'][metric] for result in of_cell(results, task, cell)
            if not why_not_counted(result, metric)}


def compare(task: Task, better: str, worse: str, results: Sequence[Result]) -> Comparison:
    """Is the cell ``better`` the better one? Undecided where the two intervals touch."""
    sides = tuple(interval_of(results, task.name, cell, task.metric) for cell in (better, worse))
    up, down = sides if task.better == 'higher' else sides[::-1]
    if up is None or down is None:
        outcome = NO_RESULT
    elif up.above(down):
        outcome = HOLDS
    else:
        outcome = REVERSED if down.above(up) else UNDECIDED
    ours, theirs = (_by_seed(results, task.name, cell, task.metric) for cell in (better, worse))
    differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    return Comparison(task, better, worse, outcome, sides,
                      interval(differences) if differences else None)


def verdict(study: Study, claim: Claim, results: Sequence[Result]) -> Verdict:
    """Hold the claim against every pair of its cells, on each of its tasks.

    It holds if all comparisons do, and holds in part if some do. If none does, it does not hold
    here if one is decided the other way, and is undecided otherwise. Runs that diverged, failed
    or lack the metric have no part in it.
    """
    comparisons = [
        compare(task, better, worse, results) for task in study.tasks.values()
        if claim.tasks is None or task.name in claim.tasks
        for better, worse in claim.pairs
        if {better, worse} <= {cell.name for cell in study.cells_of(task.name)}]
    outcomes = {comparison.outcome for comparison in comparisons}
    if len(outcomes) == 1:
        return Verdict(claim, outcomes.pop(), comparisons)
    for found, outcome in ((HOLDS, PARTLY), (REVERSED, REVERSED), (UNDECIDED, UNDECIDED)):
        if found in outcomes:
            return Verdict(claim, outcome, comparisons)
    return Verdict(claim, NO_RESULT, comparisons)
