"""The classifier of every frame, and the decision about the video."""
from typing import List, Sequence

from mmaction.models.heads import BaseHead
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from ..registry import MODELS
from .aggregation import AGGREGATIONS, aggregate, masked_mean


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
        options: ``loss_cls``, ``label_smooth_eps``, ``topk``, ... of MMAction2's ``BaseHead``.

    Raises:
        ValueError: the aggregation is unknown.
    """

    def __init__(self, num_classes: int, in_channels: int, dropout_ratio: float = 0.5,
                 aggregation: str = 'mean', init_std: float = 0.01, **options: object) -> None:
        super().__init__(num_classes, in_channels, **options)
        if aggregation not in AGGREGATIONS:
            raise ValueError(f"aggregation '{aggregation}' is unknown: use one of "
                             f'{sorted(AGGREGATIONS)}')
        self.aggregation = aggregation
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
        """Losses of the mean logits, of ``(N, T, K)`` and ``lengths (N,)``."""
        return self.loss_by_feat(masked_mean(logits.float(), lengths), data_samples)

    def predict_of_logits(self, logits: Tensor, lengths: Tensor,
                          data_samples: Sequence[ActionDataSample]) -> List[ActionDataSample]:
        """Set ``pred_score (K,)`` and ``pred_label`` of each sample."""
        scores = aggregate(logits.float(), lengths, self.aggregation)
        for sample, score in zip(data_samples, scores):
            sample.set_pred_score(score)
            sample.set_pred_label(score.argmax(-1, keepdim=True).detach())
        return list(data_samples)
