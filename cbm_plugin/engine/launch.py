"""From a config to a running runner, in one process or several, with or without a GPU."""
import gc
import re
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Dict, Iterator, Optional

import torch
import torch.distributed
from mmaction.registry import RUNNERS
from mmengine.config import Config
from mmengine.dist import get_dist_info, is_distributed
from mmengine.runner import Runner

from .user_errors import fail


def init_cpu_process_group(launcher: str, cfg: Optional[Config] = None) -> None:
    """Join the launcher's processes with gloo where there is no CUDA.

    MMEngine's own initialisation sets a CUDA device whatever the backend; the Runner leaves it out
    where a process group exists already. Does nothing where there is CUDA or only one process.

    Args:
        launcher: what started the processes.
        cfg: says in ``env_cfg.dist_cfg.timeout`` how many seconds a process waits for another.
            Default None: PyTorch's half an hour.
    """
    seconds = _timeout(cfg)
    if launcher == 'none' or torch.cuda.is_available() or is_distributed():
        return
    if launcher != 'pytorch':
        fail(f'--launcher {launcher} needs CUDA, and this machine shows none: '
             'run several CPU processes with --launcher pytorch (tools/dist_train.sh)')
    torch.distributed.init_process_group(
        'gloo', timeout=None if seconds is None else timedelta(seconds=seconds))


def _timeout(cfg: Optional[Config]) -> Optional[float]:
    seconds = ((cfg or {}).get('env_cfg') or {}).get('dist_cfg', {}).get('timeout')
    if seconds is not None and not (isinstance(seconds, (int, float)) and seconds > 0):
        fail(f'env_cfg.dist_cfg.timeout = {seconds!r}, but must be a number of seconds above 0: '
             '1800 is half an hour')
    return seconds


OF_ANOTHER_PROCESS = re.compile(
    r'gloo|nccl|connection (was )?(closed|reset|refused)|socket (timeout|error)|timed? ?out waiting'
    r'|broken pipe', re.IGNORECASE)
"""What PyTorch says, by backend, when another process is gone; gloo's errors have no type."""


@contextmanager
def explain_lost_process(cfg: Config) -> Iterator[None]:
    """Turn a lost or silent fellow process into one line, and end this one with exit code 1.

    With gloo a process that died is noticed at once, one that hangs after
    ``env_cfg.dist_cfg.timeout`` seconds. (With NCCL PyTorch's watchdog may end the process first.)
    """
    try:
        yield
    except RuntimeError as error:  # torch.distributed's own errors are such too
        of_torch = isinstance(error, getattr(torch.distributed, 'DistError', ()))
        if not is_distributed() or not (of_torch or OF_ANOTHER_PROCESS.search(str(error))):
            raise
        rank, number = get_dist_info()
        said = ' '.join(str(error).split())[:300]
        print(f'error: process {rank} of {number} stops, since another ended, or did not answer '
              f'within env_cfg.dist_cfg.timeout = {_timeout(cfg) or "its default"} seconds: look '
              'what the others said last (one that said nothing was mostly killed, often for want '
              'of memory), and go on from the last checkpoint with --resume. PyTorch says: '
              f'{said}', file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def leave_process_group() -> None:
    """Say goodbye to the other processes; does nothing in a single one.

    Call it when nothing refers to the runner any more: a distributed wrapper that outlives its
    process group, or a process that leaves while another still talks, aborts a finished run.
    """
    if is_distributed():
        gc.collect()  # a runner and its loops refer to each other: the wrapper goes with them
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def build_runner(cfg: Config) -> Runner:
    """The default runner, or the one that ``runner_type`` names."""
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def set_work_dir(cfg: Config, work_dir: Optional[str], config_path: str) -> None:
    """The work dir: the given one, else the config's, else ``work_dirs/<name of the config>``."""
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = f'./work_dirs/{Path(config_path).stem}'


def closing_block(title: str, metrics: Dict[str, float], places: Dict[str, Optional[str]]) -> str:
    """The last words of a run: its metrics, and where things are (those that are None left out)."""
    lines = {key: f'{value:.4f}' if isinstance(value, float) else str(value)
             for key, value in metrics.items()}
    lines.update({key: place for key, place in places.items() if place is not None})
    width = max(map(len, lines), default=0)
    rule = '=' * 72
    body = [f'  {key:{width}}  {text}' for key, text in lines.items()]
    return '\n'.join([rule, title, *body, rule])
