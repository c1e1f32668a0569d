"""The paper's classifier: a hidden layer on the maps of each frame."""
from typing import Optional, Sequence

from torch import Tensor, nn

from ..registry import MODELS
from .head import RecurrentHead


@MODELS.register_module()
class HiddenLayerHead(RecurrentHead):
    """``in_channels * map_size**2 -> hidden_channels -> num_classes``, frame by frame.

    The authors' classifier. Training, testing and options are those of
    :class:`~cbm_plugin.recognition.head.RecurrentHead`.

    Args:
        num_classes: K.
        in_channels: C.
        map_size: height and width of the maps, which are flattened: the standalone model's, pixels
            / 32. Default 1: maps are averaged to vectors; those of the backbone-supported model are
            1x1 at 224 pixels.
        hidden_channels: default None: ``in_channels * map_size``, the published 512 of the
            backbone-supported and 512(s/32) of the standalone model.
        dropout_ratio: of whole channels of the maps, and of the hidden layer. Default (0.2, 0.5),
            the last two of the paper's three; the first stands in the neck.
        options: of ``RecurrentHead``.

    Raises:
        ValueError: a number is out of range; or (when run) the maps have another size.
    """

    def __init__(self, num_classes: int, in_channels: int, map_size: int = 1,
                 hidden_channels: Optional[int] = None,
                 dropout_ratio: Sequence[float] = (0.2, 0.5), **options: object) -> None:
        if map_size < 1:
            raise ValueError(f'map_size is {map_size}, but must be at least 1')
        if isinstance(dropout_ratio, (int, float)) or len(dropout_ratio) != 2:
            raise ValueError(f'dropout_ratio is {dropout_ratio}, but must be two numbers: of the '
                             'maps and of the hidden layer')
        hidden = hidden_channels or in_channels * map_size
        super().__init__(num_classes, hidden, dropout_ratio[1], **options)  # type: ignore[arg-type]
        self.in_channels, self.map_size = in_channels, map_size
        self.map_dropout = nn.Dropout2d(dropout_ratio[0])
        self.fc_hidden = nn.Linear(in_channels * map_size ** 2, hidden)
        self.activation = nn.ReLU()

    def init_weights(self) -> None:
        """Normal weights, zero biases."""
        super().init_weights()
        nn.init.normal_(self.fc_hidden.weight, std=self.init_std)
        nn.init.zeros_(self.fc_hidden.bias)

    def forward(self, feats: Tensor, **kwargs: object) -> Tensor:
        """``(N, T, C, H, W)`` or, with map_size 1, ``(N, T, C)`` -> logits ``(N, T, K)``."""
        if feats.ndim == 5 and self.map_size == 1:
            feats = feats.mean(dim=(-2, -1))
        if feats.ndim == 3:
            feats = feats[..., None, None]
        expected = (self.in_channels, self.map_size, self.map_size)
        if feats.ndim != 5 or feats.shape[2:] != expected:
            raise ValueError(
                f'HiddenLayerHead was built for maps of the shape {expected}, got '
                f'{tuple(feats.shape[2:])}: set cls_head.in_channels to the channels of the last '
                'recurrent layer, and cls_head.map_size to the size of its maps (pixels / 32 after '
                'StandaloneCBM; 1 averages them)')
        batch = feats.shape[:2]
        frames = self.map_dropout(feats.flatten(0, 1)).flatten(1)
        hidden = self.activation(self.fc_hidden(frames))
        return self.fc_cls(self.dropout(hidden)).unflatten(0, batch)
