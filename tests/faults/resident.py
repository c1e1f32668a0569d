"""What a process and its children hold in memory, and whether that grows."""
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence

import numpy as np
from scipy import stats

BLOCKS = 20
"""Blocks that the rest is cut into: enough for a narrow interval, long enough to hold a pause."""


class Held(NamedTuple):
    """So many bytes at a step.

    Attributes:
        held: by each process for itself, the sum. What grows without an end shows here.
        distinct: with each page that several processes share counted once. It also rises when one
            of them writes into such a page, which then is there twice; that ends when all are.
    """
    step: int
    held: int
    distinct: int


class Growth(NamedTuple):
    """Bytes a step: the estimate and its 95% interval; and the distinct bytes at the end."""
    slope: float
    low: float
    high: float
    level: float


def resident(step: int, pid: int) -> Held:
    """Resident memory of a process and all its descendants.

    Pages of files (libraries) are left out: the system drops them as it likes, and any other
    process that has them changes their share. A process that has ended counts 0.

    Raises:
        RuntimeError: the kernel does not tell them apart.
    """
    own = _kilobytes(pid)
    children = [resident(step, child) for child in _children(pid)]
    return Held(step, 1024 * (own['Anonymous'] + own['Pss_Shmem']) + sum(
        child.held for child in children), 1024 * (own['Pss_Anon'] + own['Pss_Shmem']) + sum(
            child.distinct for child in children))


def _kilobytes(pid: int) -> Dict[str, int]:
    """Of a process: anonymous pages, and its share of them and of shared memory."""
    wanted = dict.fromkeys(('Anonymous', 'Pss_Anon', 'Pss_Shmem'), 0)
    try:
        text = Path(f'/proc/{pid}/smaps_rollup').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return wanted
    found = {name: int(number) for name, number in re.findall(r'(\w+): +(\d+) kB', text)}
    if text and not wanted.keys() <= found.keys():
        raise RuntimeError(f'/proc/{pid}/smaps_rollup has no {" or ".join(wanted)}: this needs '
                           'Linux 5.4 or later')
    return {name: found.get(name, 0) for name in wanted}


def _children(pid: int) -> List[int]:
    children = []
    for task in Path(f'/proc/{pid}/task').glob('*/children'):
        try:
            children += [int(child) for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return children


def growth(samples: Sequence[Held], warm_up: float = 0.2) -> Growth:
    """How fast the held memory grows after the warm-up.

    The steps after the warm-up are cut into :data:`BLOCKS` blocks, and a line is
    fitted through the least of each block: what is held for a moment is not in it, what is never
    given back is. The interval is Student's for a line through so many points.

    Args:
        samples: looks at the memory, in order.
        warm_up: share of the steps that are not looked at: caches fill, allocators settle.

    Raises:
        ValueError: fewer than two samples a block, which show nothing.
    """
    after = [sample for sample in samples if sample.step > warm_up * samples[-1].step]
    if len(after) < 2 * BLOCKS:
        raise ValueError(f'{len(after)} samples after the warm-up, but at least {2 * BLOCKS} are '
                         'needed to tell growth from noise: watch more steps')
    floors = [min(block, key=lambda sample: sample.held) for block in _blocks(after)]
    line = stats.linregress([floor.step for floor in floors], [floor.held for floor in floors])
    reach = stats.t.ppf(0.975, BLOCKS - 2) * line.stderr
    return Growth(line.slope, line.slope - reach, line.slope + reach, floors[-1].distinct)


def _blocks(samples: Sequence[Held]) -> List[List[Held]]:
    edges = np.linspace(0, len(samples), BLOCKS + 1).astype(int)
    return [list(samples[start:end]) for start, end in zip(edges[:-1], edges[1:])]
