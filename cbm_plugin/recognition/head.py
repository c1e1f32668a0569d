"""The classifier of every frame, and the decision about the video."""
from typing import List, Sequence

import torch
from mmaction.models.heads import BaseHead
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from ..registry import MODELS
from .aggregation import AGGREGATIONS, aggregate, masked_mean
from .anticipation import anticipation_loss


@MODELS.register_module()
class RecurrentHead(BaseHead):
    """Classifies each frame of ``(N, T, C, H, W)`` or ``(N, T, C)``.

    Trained on the mean of the per-frame logits; tested by ``aggregation``. Stands in a
    ``RecurrentRecognizer``, which needs the logits of each frame beside the losses.

    Args:
        num_classes: K.
        in_channels: C.
        dropout_ratio: before the classifier. Default 0.5, the last of the paper's three.
        aggregation: of the frames' scores at test time: ``'mean'`` (default), ``'vote'``,
            ``'last'`` or ``'last_half'``.
        init_std: of the classifier's weights. Default 0.01, MMAction2's.
        anticipation_weight: of the :func:`~cbm_plugin.recognition.anticipation.anticipation_loss`
            within each clip, logged as ``loss_anticipation``. Default 0: off.
        per_frame: at test time, give each sample ``pred_frame_scores (T, K)`` too, the log
            probabilities of its frames: their mean over any beginning, through a softmax, is the
            score of that beginning. Default False; ``EarlyRecognitionLoop`` switches it on.
        options: ``loss_cls``, ``label_smooth_eps``, ``topk``, ... of MMAction2's ``BaseHead``.

    Raises:
        ValueError: the aggregation is unknown, or the weight negative or meant for several
            classes at a time.
    """

    def __init__(self, num_classes: int, in_channels: int, dropout_ratio: float = 0.5,
                 aggregation: str = 'mean', init_std: float = 0.01,
                 anticipation_weight: float = 0.0, per_frame: bool = False,
                 **options: object) -> None:
        super().__init__(num_classes, in_channels, **options)
        if aggregation not in AGGREGATIONS:
            raise ValueError(f"aggregation '{aggregation}' is unknown: use one of "
                             f'{sorted(AGGREGATIONS)}')
        if anticipation_weight < 0:
            raise ValueError(f'anticipation_weight is {anticipation_weight}, but must be at least '
                             '0 (0 switches the loss off)')
        if anticipation_weight and self.multi_class:
            raise ValueError('the anticipation loss follows the one true class of a video: set '
                             'anticipation_weight=0 or multi_class=False')
        self.aggregation = aggregation
        self.anticipation_weight, self.per_frame = anticipation_weight, per_frame
        self.init_std = init_std
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc_cls = nn.Linear(in_channels, num_classes)

    def init_weights(self) -> None:
        """Normal weights, zero biases."""
        nn.init.normal_(self.fc_cls.weight, std=self.init_std)
        nn.init.zeros_(self.fc_cls.bias)

    def forward(self, feats: Tensor, **kwargs: object) -> Tensor:
        """Logits per frame ``(N, T, K)``; maps are averaged first."""
        if feats.ndim == 5:
            feats = feats.mean(dim=(-2, -1))
        if feats.ndim != 3 or feats.shape[2] != self.in_channels:
            raise ValueError(f'RecurrentHead was built for in_channels={self.in_channels} and '
                             f'expects (N, T, C, H, W) or (N, T, C), got {tuple(feats.shape)}: set '
                             'cls_head.in_channels to the channels of the last recurrent layer')
        return self.fc_cls(self.dropout(feats))

    def loss_of_logits(self, logits: Tensor, lengths: Tensor,
                       data_samples: Sequence[ActionDataSample]) -> dict:
        """Losses of ``(N, T, K)`` logits, of which ``lengths (N,)`` count.

        That of their mean, and the anticipation loss where it is switched on.

        Raises:
            ValueError: the anticipation loss met a label that is not one class.
        """
        logits = logits.float()
        losses = self.loss_by_feat(masked_mean(logits, lengths), data_samples)
        if self.anticipation_weight:
            labels = _one_class_each(data_samples).to(logits.device)
            losses['loss_anticipation'] = self.anticipation_weight * anticipation_loss(
                logits, labels, lengths)
        return losses

    def predict_of_logits(self, logits: Tensor, lengths: Tensor,
                          data_samples: Sequence[ActionDataSample]) -> List[ActionDataSample]:
        """Set ``pred_score (K,)`` and ``pred_label`` of each sample; see ``per_frame``."""
        logits = logits.float()
        scores = aggregate(logits, lengths, self.aggregation)
        for sample, score in zip(data_samples, scores):
            sample.set_pred_score(score)
            sample.set_pred_label(score.argmax(-1, keepdim=True).detach())
        if self.per_frame:
            for sample, frames, length in zip(data_samples, logits, lengths.tolist()):
                sample.set_field(frames[:length].log_softmax(-1), 'pred_frame_scores')
        return list(data_samples)


def _one_class_each(data_samples: Sequence[ActionDataSample]) -> Tensor:
    """The labels ``(N,)``."""
    for sample in data_samples:
        if sample.gt_label.numel() != 1:
            raise ValueError(f'the anticipation loss needs one class per video, but a label has '
                             f'{sample.gt_label.numel()} entries: set cls_head.'
                             'anticipation_weight=0, or leave mixed labels out')
    return torch.cat([sample.gt_label.flatten() for sample in data_samples])
