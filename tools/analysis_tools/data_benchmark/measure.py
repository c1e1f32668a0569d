"""Passes over all videos, in turns."""
import sys
import time
from pathlib import Path
from statistics import median
from typing import Dict, List, Sequence, Tuple

from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

from .contenders import fresh, pipeline

WORKERS = 2
BATCH = 4


def loader(dataset: Dataset) -> DataLoader:
    """As in training: workers that stay, and batches as lists."""
    return DataLoader(dataset, batch_size=BATCH, num_workers=WORKERS, persistent_workers=True,
                      collate_fn=pseudo_collate)


def one_pass(batches: DataLoader) -> float:
    """Seconds from the request for the first batch to the last one's arrival."""
    begin = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - begin


def in_turns(datasets: Dict[str, Dataset], rounds: int) -> Dict[str, List[float]]:
    """Seconds of every data set in each of ``rounds``; a first round starts the workers."""
    loaders = {name: loader(dataset) for name, dataset in datasets.items()}
    seconds: Dict[str, List[float]] = {name: [] for name in datasets}
    begin, done, total = time.monotonic(), 0, (rounds + 1) * len(loaders)
    for number in range(rounds + 1):
        for name, batches in loaders.items():
            passed = one_pass(batches)
            if number:
                seconds[name].append(passed)
            done += 1
            left = (time.monotonic() - begin) / done * (total - done)
            print(f'\rround {number} of {rounds}, {name}: about {left:.0f} s left   ',
                  end='', file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return seconds


def ratio(fast: Sequence[float], slow: Sequence[float]) -> Tuple[float, float, float]:
    """How many times as fast: median, smallest and largest over the rounds, pair by pair."""
    ratios = [b / a for a, b in zip(fast, slow)]
    return median(ratios), min(ratios), max(ratios)


def stages(paths: Sequence[Path], way: str, sampler: str, crop: Tuple[int, int],
           rounds: int) -> Dict[str, float]:
    """Milliseconds a video of each transform, in this process: medians over the rounds."""
    steps = pipeline(way, sampler, crop)
    spent: Dict[str, List[float]] = {name: [0.0] * rounds for name, _ in steps}
    for number in range(rounds):
        for i, path in enumerate(paths):
            results = fresh(path, i)
            for name, step in steps:
                begin = time.perf_counter()
                results = step(results)
                spent[name][number] += time.perf_counter() - begin
    return {name: 1000 * median(times) / len(paths) for name, times in spent.items()}
