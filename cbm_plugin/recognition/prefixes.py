"""What a recognizer says after each beginning of a video."""
from typing import Any, List, Sequence

import torch
from mmaction.structures import ActionDataSample
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import TestLoop, autocast
from torch import Tensor, nn

from ..registry import LOOPS
from .observation import RATIOS, check_ratios, observed_frames

OBSERVE = ('auto', 'once', 'prefixes')


def predict_prefixes(model: nn.Module, data: dict, ratios: Sequence[float] = RATIOS,
                     time_axis: int = 0) -> List[ActionDataSample]:
    """Run a recognizer on every beginning of each video: right for any model, at R times the work.

    Args:
        model: with a ``test_step``, in evaluation mode.
        data: a batch as the data loader gives it: ``inputs``, a list of N tensors with T frames
            each, and ``data_samples``.
        ratios: R of them, rising, in (0, 1].
        time_axis: of each input. Default 0: ``(T, C, H, W)``; 2 for ``NCTHW``.

    Returns:
        The samples as predicted from the whole videos, each with ``pred_prefix_scores (R, K)``, the
        model's own decision on each beginning, and ``prefix_ratios``.

    Raises:
        ValueError: a ratio is out of range, or the model gives no one score per video.
    """
    ratios = check_ratios(ratios)
    of_ratios = [model.test_step(beginnings(data, ratio, time_axis)) for ratio in ratios]
    whole = of_ratios[-1] if ratios[-1] == 1 else model.test_step(beginnings(data, 1, time_axis))
    for sample, *predicted in zip(whole, *of_ratios):
        scores = torch.stack([each.pred_score for each in predicted])
        if scores.ndim != 2:
            raise ValueError(f'the model gives scores of the shape {tuple(scores.shape[1:])} per '
                             "video, but one per class is needed: set model.cls_head."
                             "average_clips='prob'")
        sample.set_field(scores, 'pred_prefix_scores')
        sample.set_metainfo(dict(prefix_ratios=ratios))
    return whole


def beginnings(data: dict, ratio: float, time_axis: int = 0) -> dict:
    """A batch of which only the first ``ceil(ratio * T)`` frames of each video are left."""
    def cut(frames: Tensor) -> Tensor:
        return frames.narrow(time_axis, 0, observed_frames(frames.shape[time_axis], ratio))

    return dict(data, inputs=[cut(frames) for frames in data['inputs']],
                data_samples=[sample.clone() for sample in data['data_samples']])


@LOOPS.register_module()
class EarlyRecognitionLoop(TestLoop):
    """MMEngine's test loop for :class:`~.early_recognition.EarlyRecognitionMetric`.

    In the config: ``test_cfg = dict(type='EarlyRecognitionLoop')``. A causal model runs once on
    each video, and its head gives the scores of every frame; a model that sees later frames (its
    ``causal`` is False, or it is none of ours) is run again on each beginning.

    Args:
        observe: ``'auto'`` (default), as above; ``'once'`` refuses a model that is not causal;
            ``'prefixes'`` always runs on each beginning.
        ratios: for prefixes; the metric must have the same.
        time_axis: of each input, for prefixes.
        options: of MMEngine's ``TestLoop``.

    Raises:
        ValueError: an option is unknown or out of range, or ``'once'`` met a model that is not
            causal.
    """

    def __init__(self, runner: Any, dataloader: Any, evaluator: Any, observe: str = 'auto',
                 ratios: Sequence[float] = RATIOS, time_axis: int = 0, **options: Any) -> None:
        if observe not in OBSERVE:
            raise ValueError(f"observe is '{observe}': use one of {list(OBSERVE)}")
        self.ratios, self.time_axis = check_ratios(ratios), time_axis
        super().__init__(runner, dataloader, evaluator, **options)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.head = getattr(model, 'cls_head', None)
        self.once = observe != 'prefixes' and self._may_run_once(model, observe)

    def _may_run_once(self, model: nn.Module, observe: str) -> bool:
        causal = getattr(model, 'causal', hasattr(self.head, 'per_frame'))
        if causal and hasattr(self.head, 'per_frame'):
            return True
        reason = (f'{type(model).__name__} with the backbone {type(model.backbone).__name__} sees '
                  'later frames, so its scores of a frame are not those of a beginning')
        if observe == 'once':
            raise ValueError(f"{reason}: set test_cfg.observe='prefixes', which runs it again on "
                             'each beginning, or use a backbone that works on single frames')
        print_log(f'{reason}: it is run again on each of {len(self.ratios)} beginnings',
                  logger='current')
        return False

    def run(self) -> dict:
        """Test; the head gives scores per frame while it lasts."""
        if not self.once:
            return super().run()
        before, self.head.per_frame = self.head.per_frame, True
        try:
            return super().run()
        finally:
            self.head.per_frame = before

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        """One batch."""
        if self.once:
            super().run_iter(idx, data_batch)
            return
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        with autocast(enabled=self.fp16):
            outputs = predict_prefixes(self.runner.model, data_batch, self.ratios, self.time_axis)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook('after_test_iter', batch_idx=idx, data_batch=data_batch,
                              outputs=outputs)
