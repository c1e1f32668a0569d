"""What a process and its children hold in memory, and whether that grows."""
from pathlib import Path
from typing import List, NamedTuple, Sequence

import numpy as np
from scipy import stats

WARM_UP = 0.2
"""Share of the steps that are not looked at: caches fill, workers start, allocators settle."""

BLOCKS = 20
"""Blocks that the rest is cut into: enough for a narrow interval, long enough to hold a pause."""


class Held(NamedTuple):
    """So many bytes at a step."""
    step: int
    held: int


class Growth(NamedTuple):
    """Bytes a step: the estimate and its 95% interval; and the bytes held at the end."""
    slope: float
    low: float
    high: float
    level: float


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and all its descendants, each shared page counted once.

    The sum of their proportional set sizes: workers are forks, and the sum of what they have
    resident would count their common pages several times. Pages of files (libraries) are left out:
    the system drops them as it likes, and any other process that has them changes their share. A
    process that has ended counts 0.

    Raises:
        RuntimeError: the kernel does not tell them apart.
    """
    return _proportional_bytes(pid) + sum(resident_bytes(child) for child in _children(pid))


def _proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    parts = [int(line.split()[1]) for line in lines if line.startswith(('Pss_Anon:', 'Pss_Shmem:'))]
    if lines and len(parts) != 2:
        raise RuntimeError(f'/proc/{pid}/smaps_rollup has no Pss_Anon and Pss_Shmem: this needs '
                           'Linux 5.4 or later')
    return sum(parts) * 1024


def _children(pid: int) -> List[int]:
    children = []
    for task in Path(f'/proc/{pid}/task').glob('*/children'):
        try:
            children += [int(child) for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return children


def growth(samples: Sequence[Held]) -> Growth:
    """How fast the held memory grows after the warm-up.

    The steps after the first :data:`WARM_UP` are cut into :data:`BLOCKS` blocks, and a line is
    fitted through the least of each block: what is held for a moment is not in it, what is never
    given back is. The interval is Student's for a line through so many points.

    Raises:
        ValueError: fewer than two samples a block, which show nothing.
    """
    after = [sample for sample in samples if sample.step > WARM_UP * samples[-1].step]
    if len(after) < 2 * BLOCKS:
        raise ValueError(f'{len(after)} samples after the warm-up, but at least {2 * BLOCKS} are '
                         'needed to tell growth from noise: watch more steps')
    floors = [min(block, key=lambda sample: sample.held) for block in _blocks(after)]
    line = stats.linregress([floor.step for floor in floors], [floor.held for floor in floors])
    reach = stats.t.ppf(0.975, BLOCKS - 2) * line.stderr
    return Growth(line.slope, line.slope - reach, line.slope + reach, floors[-1].held)


def _blocks(samples: Sequence[Held]) -> List[List[Held]]:
    edges = np.linspace(0, len(samples), BLOCKS + 1).astype(int)
    return [list(samples[start:end]) for start, end in zip(edges[:-1], edges[1:])]
