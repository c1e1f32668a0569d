"""A training that has gone out of hand stops, and keeps what it needs to be looked into."""
import math
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor

from ..files import write_whole
from ..registry import HOOKS
from .sample_faults import some_names

NAME_KEYS = ('name', 'filename', 'img_path', 'frame_dir', 'sample_idx')
"""Metainfo that may name a sample, the first that is there."""


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Ends the training at the first loss that is NaN or infinite, with the batch saved.

    The losses are looked at where the model sums them up (``parse_losses``), before the backward
    pass, so that weights and the optimizer's state are still those of the iteration before (where
    two networks are trained in turn: of the one whose loss it is, and of the one after it). What a
    model logs without summing it there is looked at after the iteration. Each look waits for the
    GPU, if there is one.

    The batch is saved as ``<work_dir>/nonfinite_iter_N.pth``, with N counted from 1 as in the log
    (``..._rankR`` on all processes but the first), and loads with ``weights_only=True``: a dict of
    ``iteration``, ``epoch``, ``rank``, ``seed`` (of the run), ``losses`` (floats by name),
    ``names``, ``inputs`` as the data loader gave them, and ``samples`` (all else that is known of
    each, as plain dicts).

    Raises:
        FloatingPointError: (in training) a loss is NaN or infinite: with the iteration, the losses,
            the samples' names and the file.
    """

    def __init__(self) -> None:
        self._batch: Optional[dict] = None

    def before_train(self, runner: Runner) -> None:
        """Look at all losses that the model sums up from now on."""
        model = _without_wrapper(runner)
        model.parse_losses = partial(self._parse_losses, runner, model.parse_losses)

    def after_train(self, runner: Runner) -> None:
        """Look no longer."""
        vars(_without_wrapper(runner)).pop('parse_losses', None)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: Optional[dict] = None) -> None:
        """Remember the batch."""
        self._batch = data_batch

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Look at what else was logged."""
        self._check(runner, outputs or {}, 'the weights are those after this iteration')
        self._batch = None

    def _parse_losses(self, runner: Runner, parse: Callable, losses: Dict[str, Any]
                      ) -> Tuple[Tensor, Dict[str, Tensor]]:
        loss, logs = parse(losses)
        self._check(runner, logs, 'the weights are those before this iteration')
        return loss, logs

    def _check(self, runner: Runner, logs: Dict[str, Any], weights: str) -> None:
        values = {name: value.detach().float().mean() for name, value in logs.items()
                  if isinstance(value, Tensor) and 'loss' in name}
        if not values or bool(torch.stack(list(values.values())).isfinite().all()):
            return
        losses = {name: float(value) for name, value in values.items()}
        names = _names(self._batch)
        path = self._save(runner, losses, names)
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        every = ', '.join(f'{name}={value:.6g}' for name, value in losses.items())
        raise FloatingPointError(
            f'{bad[-1]} is not finite in iteration {runner.iter + 1} ({every}), on the samples '
            f'{some_names(names)}: training stopped, {weights}, and the batch is saved in {path}. '
            'Lower the learning rate, set clip_grad in optim_wrapper, or leave --amp out, and go '
            'on from the last checkpoint with --resume')

    def _save(self, runner: Runner, losses: Dict[str, float], names: List[str]) -> Path:
        batch = self._batch if isinstance(self._batch, dict) else {}
        rank = get_rank()
        content = dict(
            iteration=runner.iter + 1, epoch=runner.epoch, rank=rank, seed=runner.seed,
            losses=losses, names=names, inputs=_plain(batch.get('inputs')),
            samples=[_plain(sample) for sample in batch.get('data_samples') or ()])
        path = Path(runner.work_dir) / (f'nonfinite_iter_{runner.iter + 1}'
                                        f'{f"_rank{rank}" if rank else ""}.pth')
        write_whole(path, partial(torch.save, content))
        return path


def _without_wrapper(runner: Runner) -> torch.nn.Module:
    return getattr(runner.model, 'module', runner.model)


def _names(batch: Any) -> List[str]:
    """The names of a batch's samples, or their places in it."""
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    named = []
    for place, sample in enumerate(samples or ()):
        meta = getattr(sample, 'metainfo', {})
        named.append(next((str(meta[key]) for key in NAME_KEYS if meta.get(key) is not None),
                          f'number {place} of the batch'))
    return named


def _plain(value: Any) -> Any:
    """The same of types alone that ``torch.load`` reads with ``weights_only=True``."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, np.ndarray) and value.dtype.kind in 'biuf':
        return torch.from_numpy(value.copy())
    if isinstance(value, BaseDataElement):
        return {name: _plain(item) for name, item in value.all_items()}
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    return str(value)
