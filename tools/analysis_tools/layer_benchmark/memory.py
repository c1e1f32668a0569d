"""Memory of one training step, in a process of its own: saved for backward, and at the peak."""
import multiprocessing
import resource
import sys
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Dict, Optional

import torch

from .contenders import StackRun
from .saved import saved_bytes
from .shapes import TINY, Shape

Memory = Dict[str, int]
"""``peak_bytes`` and ``context_bytes`` (see :func:`saved_bytes`), ``peak_rss_bytes`` (the process's
or the GPU's)."""

SAVED, CONTEXTS, PROCESS = 'peak_bytes', 'context_bytes', 'peak_rss_bytes'
_MAXRSS_UNIT = 1 if sys.platform == 'darwin' else 1024
# A process started by fork and exec begins with the peak of its parent, which would hide its own;
# one that is forked from a small server does not.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(['torch'])


def memory_of(shape: Shape, impl: str, dtype: str, device: torch.device) -> Optional[Memory]:
    """One training step's memory, in a new process (on a GPU in this one); None: it did not fit."""
    if device.type == 'cuda':
        return _on_gpu(shape, impl, dtype, device)
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_child, args=(sender, torch.get_num_threads(), shape, impl,
                                                    dtype))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        if process.exitcode == -9:  # a system out of memory ended it
            return None
        raise RuntimeError(f'{impl} ({dtype}) failed at {shape.label}: see the message above'
                           ) from None
    finally:
        process.join()


def _child(sender: Connection, threads: int, shape: Shape, impl: str, dtype: str) -> None:
    torch.set_num_threads(threads)
    try:
        run = _warm_run(shape, impl, dtype, torch.device('cpu'))
        before = _peak_rss()
        saved = _train_counting(run)
        sender.send({**saved, PROCESS: _peak_rss() - before})
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        sender.send(None)


def _on_gpu(shape: Shape, impl: str, dtype: str, device: torch.device) -> Optional[Memory]:
    try:
        run = _warm_run(shape, impl, dtype, device)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        saved = _train_counting(run)
        return {**saved, PROCESS: torch.cuda.max_memory_allocated() - before}
    except torch.cuda.OutOfMemoryError:
        return None


def _warm_run(shape: Shape, impl: str, dtype: str, device: torch.device) -> StackRun:
    """Ready for its first step, which shall not count the library's code that a step loads."""
    StackRun(replace(TINY, variant=shape.variant), impl, dtype, device).warm_up()
    return StackRun(shape, impl, dtype, device)


def _train_counting(run: StackRun) -> Memory:
    run.prepare('train')
    saved, y = saved_bytes(run.output, run.module.parameters())
    run.backward(y)
    return {SAVED: saved.by_autograd, CONTEXTS: saved.on_contexts}


def _peak_rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
