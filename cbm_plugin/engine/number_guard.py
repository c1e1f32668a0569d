"""What becomes of an iteration whose numbers are NaN or infinite: no weight ever learns from it."""
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce, get_rank, is_distributed
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmengine.runner.checkpoint import get_state_dict
from mmengine.structures import BaseDataElement
from torch import Tensor

from ..files import write_whole
from ..registry import HOOKS
from .sample_faults import some_names

NAME_KEYS = ('name', 'filename', 'img_path', 'frame_dir', 'video_id', 'sample_idx')
"""Metainfo that may name a sample, the first that is there."""

COUNTER = 'train/nonfinite_skipped'
"""The logged number of skipped iterations; it travels with the checkpoints."""


STATISTICS = ('running_mean', 'running_var')
"""Buffers that learn in the forward pass, by the ends of their names."""


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops the training at a loss that is NaN or infinite, or leaves the iteration out.

    The losses, and running statistics, are looked at where the model sums the losses up
    (``parse_losses``), before the backward pass, and the gradients before they are clipped and
    the optimizer steps (with a loss scale: by the scaler, which leaves such a step out by itself).
    So weights and the optimizer's state stay those of the iteration before, and buffers, such as
    those statistics, are put back. Where two networks are trained in turn, one that has stepped in
    the iteration keeps its step. All processes decide alike: one bad loss is enough. Each look
    waits for the GPU, if there is one.

    - ``action='stop'`` ends the training, with what is needed to look into it saved as
      ``<work_dir>/nonfinite_iter_N.pth``, N counted from 1 as in the log (``..._rankR`` on all
      processes but the first). It loads with ``weights_only=True``: a dict of ``iteration``,
      ``epoch``, ``rank``, ``seed`` (of the run), ``losses`` (floats by name), ``names``,
      ``inputs`` as the data loader gave them, ``samples`` (all else that is known of each, as
      plain dicts) and ``state_dict``, the model before the iteration.
    - ``action='skip'`` goes on: no step is taken and nothing but the number of skipped iterations
      (``nonfinite_skipped``) is logged for the iteration, a warning names its samples, schedules
      go on. What was accumulated for the same update before it is thrown away with it.

    A loss that a model logs without summing it there is looked at after the iteration. That is too
    late to skip it, and stops the training in any case.

    Args:
        action: ``'stop'`` (default: a training that diverges should not go on unseen) or
            ``'skip'``.
        max_skipped: so many iterations of a run, resumed or not, may be skipped; one more stops
            it. Default 20: a rare overflow is bad luck, more is a fault of the data, of the
            learning rate or of the weights.

    Raises:
        ValueError: an option is unknown or negative.
        FloatingPointError: (in training) a number is NaN or infinite: with the iteration, the
            losses, the samples' names and the file.
    """

    def __init__(self, action: str = 'stop', max_skipped: int = 20) -> None:
        if action not in ('stop', 'skip'):
            raise ValueError(f"action is '{action}', but must be 'stop' or 'skip'")
        if max_skipped < 0:
            raise ValueError(f'max_skipped is {max_skipped}, but must not be negative: 0 skips '
                             "nothing, as action='stop' does")
        self.max_skipped = max_skipped if action == 'skip' else 0

    def before_train(self, runner: Runner) -> None:
        """Look at all losses and gradients from now on."""
        model = _without_wrapper(runner)
        model.parse_losses = partial(_parse_losses, model, model.parse_losses)
        runner.model.train_step = partial(self._train_step, runner, runner.model.train_step)
        for wrapper in _single_wrappers(runner.optim_wrapper):
            wrapper.step = partial(_step, wrapper, model, wrapper.step)

    def after_train(self, runner: Runner) -> None:
        """Look no longer, and say how much was skipped."""
        vars(_without_wrapper(runner)).pop('parse_losses', None)
        vars(runner.model).pop('train_step', None)
        for wrapper in _single_wrappers(runner.optim_wrapper):
            vars(wrapper).pop('step', None)
        skipped = _skipped(runner)
        if skipped:
            runner.logger.warning(f'{skipped} of {runner.iter} iterations were skipped, since '
                                  'their losses or gradients were not finite')

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Look at what else was logged."""
        values = _loss_values(outputs or {})
        if not bool(_all_finite(values.values())):
            report = _Report.of(_NotFinite(values), data_batch)
            path = _save(runner, report, data_batch, get_state_dict(runner.model))
            raise FloatingPointError(
                f'{_describe(runner, [report])}: training stopped, the weights are those after '
                f'this iteration, and the batch is saved in {path}. {REMEDY}')

    def _train_step(self, runner: Runner, step: Callable, data: Any, optim_wrapper: OptimWrapper
                    ) -> Dict[str, Tensor]:
        before = _Before(runner.model, optim_wrapper)
        try:
            return step(data, optim_wrapper)
        except _NotFinite as found:
            before.restore(found)
            report = _Report.of(found, data)
        reports = all_gather_object(report)  # all processes are here: they decided alike
        skipped = _skipped(runner)
        if skipped < self.max_skipped:
            runner.message_hub.update_scalar(COUNTER, skipped + 1)
            runner.logger.warning(f'{_describe(runner, reports)}: iteration skipped, the '
                                  f'{skipped + 1}. of at most max_skipped={self.max_skipped}')
            return {}
        path = _save(runner, report, data, get_state_dict(runner.model)) if report.bad else None
        after = f' after {skipped} skipped iterations' if skipped else ''
        where = f'saved in {path}' if path else 'saved by the process that had it'
        raise FloatingPointError(
            f'{_describe(runner, reports)}: training stopped{after}, the weights are those before '
            f'this iteration, and the batch is {where}. {REMEDY}')


REMEDY = ('Lower the learning rate, set clip_grad in optim_wrapper, or leave --amp out, and go on '
          "from the last checkpoint with --resume; NonFiniteLossHook's action='skip' leaves such "
          'iterations out')


class _NotFinite(FloatingPointError):
    """Losses or running statistics (of this process or of another), or gradients, are not finite.

    Args:
        losses: by name, of this process.
        other: what it is, if no loss.
        gradients_of: the optimizer wrapper whose gradients are not finite, if they are it.
    """

    def __init__(self, losses: Dict[str, Tensor], other: str = '',
                 gradients_of: Optional[OptimWrapper] = None) -> None:
        super().__init__(f'{other or "a loss"} is not finite')
        self.losses = {name: float(value) for name, value in losses.items()}
        self.other = other
        self.gradients_of = gradients_of


class _Before:
    """What an iteration changes before its step: buffers, and the counts of the optimizers."""

    def __init__(self, model: torch.nn.Module, optim_wrapper: OptimWrapper) -> None:
        self.buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        self.counts = [(wrapper, wrapper._inner_count)
                       for wrapper in _single_wrappers(optim_wrapper)]

    def restore(self, found: _NotFinite) -> None:
        """Put the buffers back; no optimizer that has not yet stepped learns from the iteration."""
        with torch.no_grad():
            for buffer, value in self.buffers:
                buffer.copy_(value)
        for wrapper, count in self.counts:
            if wrapper._inner_count == count or wrapper is found.gradients_of:
                wrapper._inner_count = count + 1  # it is an iteration all the same
                wrapper.zero_grad()


@dataclass
class _Report:
    """What a process tells the others of its iteration."""
    bad: List[str]
    losses: Dict[str, float]
    names: List[str]
    rank: int = field(default_factory=get_rank)

    @classmethod
    def of(cls, found: _NotFinite, batch: Any) -> '_Report':
        bad = [name for name, value in found.losses.items() if not math.isfinite(value)]
        if found.other and not bad:
            bad = [found.other]
        return cls(bad, found.losses, _names(batch))


def _describe(runner: Runner, reports: List[_Report]) -> str:
    """What is not finite, where, and on which samples."""
    culprits = [report for report in reports if report.bad]
    first = culprits[0]
    losses = ', '.join(f'{name}={value:.6g}' for name, value in first.losses.items())
    process = f' of process {first.rank}' if len(reports) > 1 else ''
    more = f' (and on {len(culprits) - 1} more processes)' if len(culprits) > 1 else ''
    return (f'{first.bad[-1]} is not finite in iteration {runner.iter + 1}{process}'
            f'{f" ({losses})" if losses else ""}, on the samples {some_names(first.names)}{more}')


def _parse_losses(model: torch.nn.Module, parse: Callable, losses: Dict[str, Any]
                  ) -> Tuple[Tensor, Dict[str, Tensor]]:
    loss, logs = parse(losses)
    values = _loss_values(logs)
    # a normalisation may hide an overflow from the loss, and keep it for ever
    statistics = {name: torch.linalg.vector_norm(buffer.float(), math.inf)
                  for name, buffer in model.named_buffers() if name.endswith(STATISTICS)}
    bad = ~_all_finite([*values.values(), *statistics.values()])
    bad = bad.to(loss.device, torch.int32)
    all_reduce(bad, op='max')  # else one process would step, and wait for the others
    if bad:
        if is_distributed() and loss.requires_grad:
            # DistributedDataParallel (PyTorch 2.13) awaits gradients since the forward pass, and
            # would else average those of the next iteration's first clip too; these are dropped
            loss.backward()
        raise _NotFinite(values, next((name for name, largest in statistics.items()
                                       if not largest.isfinite()), ''))
    return loss, logs


def _step(wrapper: OptimWrapper, model: torch.nn.Module, step: Callable, **options: Any) -> None:
    """Step if the gradients are finite; they are alike on all processes."""
    # with a loss scale they are scaled ones, and the scaler looks at them
    bad = None if hasattr(wrapper, 'loss_scaler') else _bad_gradient(wrapper)
    if bad is not None:
        name = next((name for name, known in model.named_parameters() if known is bad), 'a weight')
        raise _NotFinite({}, f'the gradient of {name}', wrapper)
    step(**options)


def _bad_gradient(wrapper: OptimWrapper) -> Optional[Tensor]:
    """A parameter whose gradient is not finite."""
    held = [parameter for group in wrapper.optimizer.param_groups for parameter in group['params']
            if parameter.grad is not None]
    largest = [torch.linalg.vector_norm(parameter.grad, math.inf) for parameter in held]
    if bool(_all_finite(largest)):
        return None
    return next(parameter for parameter, value in zip(held, largest) if not value.isfinite())


def _loss_values(logs: Dict[str, Any]) -> Dict[str, Tensor]:
    return {name: value.detach().float().mean() for name, value in logs.items()
            if isinstance(value, Tensor) and 'loss' in name}


def _all_finite(values: Iterable[Tensor]) -> Tensor:
    """One truth value, so that a GPU is waited for once."""
    return torch.stack([*values] or [torch.zeros(())]).isfinite().all()


def _save(runner: Runner, report: _Report, batch: Any, weights: Dict[str, Tensor]) -> Path:
    batch = batch if isinstance(batch, dict) else {}
    content = dict(
        iteration=runner.iter + 1, epoch=runner.epoch, rank=report.rank, seed=runner.seed,
        losses=report.losses, names=report.names, inputs=_plain(batch.get('inputs')),
        samples=[_plain(sample) for sample in batch.get('data_samples') or ()],
        state_dict=_plain(weights))
    rank = f'_rank{report.rank}' if report.rank else ''
    path = Path(runner.work_dir) / f'nonfinite_iter_{runner.iter + 1}{rank}.pth'
    write_whole(path, partial(torch.save, content))
    return path


def _skipped(runner: Runner) -> int:
    """How many iterations were skipped, those before a resume too."""
    counter = runner.message_hub.log_scalars.get(COUNTER)
    return int(counter.current()) if counter is not None else 0


def _without_wrapper(runner: Runner) -> torch.nn.Module:
    return getattr(runner.model, 'module', runner.model)


def _single_wrappers(optim_wrapper: OptimWrapper) -> List[OptimWrapper]:
    several = isinstance(optim_wrapper, OptimWrapperDict)
    return list(optim_wrapper.values()) if several else [optim_wrapper]


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
