"""Early recognition: how soon, and how well, a video is known while it is being seen."""
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ..files import write_text
from ..registry import METRICS
from .aggregation import AGGREGATIONS
from .observation import RATIOS, check_ratios, observed_frames

NO_SCORES = """\
the samples have neither pred_frame_scores nor pred_prefix_scores, without which there is no curve:
set test_cfg = dict(type='EarlyRecognitionLoop') (for validation, model.cls_head.per_frame = True
with a model that sees no later frames)"""


class Curves(NamedTuple):
    """An early-recognition curve of R observation ratios, and what follows from it.

    Args:
        accuracies: R values each, 0 to 1, by name: ``top1``, ``top5``, ..., ``mean1``.
        areas: under each of them: by trapezoids over the ratios, divided by their span; 0 to 1.
        stable_at: the first ratio from which on the decision stays what it is at the last one, mean
            over the videos.
    """
    accuracies: Dict[str, List[float]]
    areas: Dict[str, float]
    stable_at: float


@METRICS.register_module()
class EarlyRecognitionMetric(BaseMetric):
    """Accuracy after 10%, 20%, ..., 100% of each video: one curve, and the area under it.

    Needs the scores that ``test_cfg = dict(type='EarlyRecognitionLoop')`` makes. Values:
    ``top1_10`` ... ``top1_100``, ``top5_10`` ..., ``mean1_10`` ... (recall of each class that
    occurs, averaged over the classes), ``area_top1`` and so on, and ``stable_at``: see
    :class:`Curves`. The protocol (ratios, rounding, aggregation, number of videos) is written to
    the log and to the file.

    Args:
        ratios: of the first ``ceil(ratio * T)`` frames. Default 0.1, 0.2, ..., 1.
        aggregation: of the observed frames' scores: ``'mean'`` (default), ``'last'``, ``'vote'`` or
            ``'last_half'``. Where each beginning was run anew, the model has decided by itself.
        topk: default (1, 5).
        out_file: json file for protocol and curves. Default None: none.
        options: ``collect_device`` and ``prefix`` of MMEngine's ``BaseMetric``.

    Raises:
        ValueError: an option is unknown or out of range; (when run) the scores are missing, or are
            those of other ratios.
    """

    default_prefix = 'early'

    def __init__(self, ratios: Sequence[float] = RATIOS, aggregation: str = 'mean',
                 topk: Sequence[int] = (1, 5), out_file: Optional[str] = None,
                 **options: Any) -> None:
        super().__init__(**options)
        if aggregation not in AGGREGATIONS:
            raise ValueError(f"aggregation '{aggregation}' is unknown: use one of "
                             f'{sorted(AGGREGATIONS)}')
        if not topk or min(topk) < 1:
            raise ValueError(f'topk is {topk}, but must be one or more numbers, each at least 1')
        if out_file is not None and not str(out_file).endswith('.json'):
            raise ValueError(f'out_file is {out_file}, but must end with .json')
        self.ratios, self.aggregation = check_ratios(ratios), aggregation
        self.topk, self.out_file = tuple(topk), out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep, of each video, its label, the decisions and the ranks of the label: no scores."""
        for sample in data_samples:
            label = sample['gt_label']
            if label.numel() != 1:
                raise ValueError(f'early recognition needs one class per video, but a label has '
                                 f'{label.numel()} entries')
            label = int(label)
            scores, how = self._scores(sample)
            self.results.append(dict(
                label=label, how=how, decisions=scores.argmax(1).tolist(),
                ranks=[rank(row, label) for row in scores]))

    def _scores(self, sample: dict) -> Tuple[np.ndarray, str]:
        """``(R, K)`` scores after each ratio, and how they were made."""
        if 'pred_prefix_scores' in sample:
            if tuple(sample['prefix_ratios']) != self.ratios:
                raise ValueError(f"the model was run on the beginnings {sample['prefix_ratios']}, "
                                 f'but the metric asks for {self.ratios}: give test_cfg.ratios and '
                                 'test_evaluator.ratios the same value')
            return sample['pred_prefix_scores'].float().cpu().numpy(), 'prefixes'
        if 'pred_frame_scores' not in sample:
            raise ValueError(NO_SCORES)
        frames = sample['pred_frame_scores'].float().cpu()
        decide = AGGREGATIONS[self.aggregation]
        return torch.stack([decide(frames[:observed_frames(len(frames), ratio)])
                            for ratio in self.ratios]).numpy(), 'once'

    def compute_metrics(self, results: List[dict]) -> Dict[str, float]:
        """The curves of all videos, logged with their protocol."""
        curves = early_recognition(
            np.array([result['label'] for result in results]),
            np.array([result['decisions'] for result in results]),
            np.array([result['ranks'] for result in results]), self.ratios, self.topk)
        protocol = self.protocol(len(results), results[0]['how'])
        print_log(protocol, logger='current')
        if self.out_file is not None:
            content = dict(protocol=protocol, videos=len(results), ratios=list(self.ratios),
                           **curves._asdict())
            write_text(Path(self.out_file), json.dumps(content, indent=1) + '\n')
        values = {f'{name}_{100 * ratio:g}': value for name, curve in curves.accuracies.items()
                  for ratio, value in zip(self.ratios, curve)}
        values.update({f'area_{name}': area for name, area in curves.areas.items()})
        return dict(values, stable_at=curves.stable_at)

    def protocol(self, videos: int, how: str) -> str:
        """What the numbers mean, in words."""
        decided = {
            'once': f'one forward pass per video, {self.aggregation} over the observed frames',
            'prefixes': 'the model run anew on each beginning, with its own decision'}[how]
        percent = ', '.join(f'{100 * ratio:g}' for ratio in self.ratios)
        return (f'Early recognition of {videos} videos after {percent}% of the frames that the '
                f'pipeline samples (the first ceil(ratio * T)); {decided}. Areas: trapezoids over '
                'the ratios, divided by their span. stable_at: the first ratio from which on the '
                'decision stays what it is at the last, mean over videos.')


def rank(scores: np.ndarray, label: int) -> int:
    """How many classes stand before the true one; of equal scores the first class wins."""
    mine = scores[label]
    return int((scores > mine).sum() + (scores[:label] == mine).sum())


def early_recognition(labels: np.ndarray, decisions: np.ndarray, ranks: np.ndarray,
                      ratios: Sequence[float], topk: Sequence[int] = (1, 5)) -> Curves:
    """The curves of V videos at R ratios.

    Args:
        labels: ``(V,)``.
        decisions: ``(V, R)`` decided classes.
        ranks: ``(V, R)``: how many classes stand before the true one.
        ratios: R of them, rising.
        topk: which top-k accuracies.
    """
    accuracies = {f'top{k}': (ranks < k).mean(0).tolist() for k in topk}
    right = ranks == 0
    accuracies['mean1'] = np.mean([right[labels == label].mean(0) for label in np.unique(labels)],
                                  axis=0).tolist()
    areas = {name: _area(curve, ratios) for name, curve in accuracies.items()}
    differs = decisions != decisions[:, -1:]
    # the ratio after the last one at which the decision was another
    first = np.where(differs.any(1), differs.shape[1] - differs[:, ::-1].argmax(1), 0)
    return Curves(accuracies, areas, float(np.asarray(ratios)[first].mean()))


def _area(curve: Sequence[float], ratios: Sequence[float]) -> float:
    if len(curve) == 1:
        return curve[0]
    values, widths = np.asarray(curve), np.diff(ratios)
    return float((widths * (values[1:] + values[:-1]) / 2).sum() / widths.sum())
