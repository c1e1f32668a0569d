"""What was measured, as rows that a table, a picture or another program can read."""
import os
import platform
from pathlib import Path
from statistics import median
from typing import Any, Dict, List, Sequence

import torch

from .measure import MODES, Key, Result
from .memory import CONTEXTS, PROCESS, SAVED

Row = Dict[str, Any]
Report = Dict[str, Any]
"""``machine``, ``settings``, ``shapes``, ``rows``: what is written to JSON."""

REFERENCE = ('naive', 'float32')


def machine_facts(device: torch.device) -> Dict[str, Any]:
    """What the numbers depend on beside the code."""
    cpu = platform.processor() or platform.machine()
    if Path('/proc/cpuinfo').exists():
        names = [line.split(':', 1)[1].strip() for line in open('/proc/cpuinfo')
                 if line.startswith('model name')]
        cpu = names[0] if names else cpu
    gpu = torch.cuda.get_device_name(device) if device.type == 'cuda' else None
    return dict(cpu=cpu, cores=os.cpu_count(), threads=torch.get_num_threads(), gpu=gpu,
                tf32=torch.backends.cudnn.allow_tf32 if gpu else None,
                torch=torch.__version__, isa=torch.backends.cpu.get_cpu_capability(),
                load_before=round(os.getloadavg()[0], 1))


def rows_of(result: Result) -> List[Row]:
    """One row for each implementation, dtype and mode.

    ``ratio_to_naive`` is a speed-up: naive float32's seconds over this one's, pair by pair over
    the rounds; its median, smallest and largest. ``share_of_bound`` is the bound's median over
    this one's, in the bound's own dtype only.
    """
    keys = list(dict.fromkeys(key for key, _ in result.timings))
    return [_row(result, key, mode) for mode in MODES for key in keys
            if (key, mode) in result.timings]


def _row(result: Result, key: Key, mode: str) -> Row:
    own = result.timings[key, mode]
    seconds = [value for value in own if value is not None]
    naive = result.timings.get((REFERENCE, mode), [])
    ratios = [reference / value for reference, value in zip(naive, own)
              if reference is not None and value is not None]
    bound = result.timings.get((('bound', key[1]), mode))
    memory = result.memory.get(key, {}) if mode == 'train' else {}
    return dict(
        shape=result.shape.name, mode=mode, impl=key[0], dtype=key[1], rounds=len(seconds),
        seconds_median=median(seconds), seconds_min=min(seconds),
        peak_bytes=memory.get(SAVED), context_bytes=memory.get(CONTEXTS),
        peak_rss_bytes=memory.get(PROCESS),
        ratio_to_naive=median(ratios) if ratios else None,
        ratio_min=min(ratios, default=None), ratio_max=max(ratios, default=None),
        share_of_bound=median(bound) / median(seconds) if bound else None)


def make_report(results: Sequence[Result], machine: Dict[str, Any],
                settings: Dict[str, Any]) -> Report:
    shapes = [dict(shape=result.shape.name, label=result.shape.label,
                   steps=result.shape.steps,
                   forward_flops=result.shape.forward_flops,
                   train_flops=result.shape.train_flops, bound_layout=result.layout)
              for result in results]
    return dict(machine=machine, settings=settings, shapes=shapes,
                rows=[row for result in results for row in rows_of(result)])
