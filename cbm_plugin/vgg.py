"""mmcv's VGG for the registry: the trunk of the paper's action and polygon models."""
from typing import Optional, Tuple

import mmcv.cnn
from mmengine.runner import CheckpointLoader

from .registry import MODELS


@MODELS.register_module()
class MmcvVGG(mmcv.cnn.VGG):
    """mmcv's VGG, which stands in no registry; parameter names are torchvision's.

    Args:
        depth: 11, 13, 16 or 19.
        with_bn: default True.
        frozen_stages: -1 (default): train all.
        out_indices: the stage whose map goes on. Default 4: 512 channels, 7x7 at 224 pixels.
        norm_eval: batch norm keeps its running statistics in training. Default False, as in
            MMAction2's baselines.
        pretrained: file or URL of weights with torchvision's names; those of its classifier are
            left out. Default None: Kaiming initialisation.

    Raises:
        ValueError: (when weights are loaded) they do not fit.
    """

    def __init__(self, depth: int, with_bn: bool = True, frozen_stages: int = -1,
                 out_indices: Tuple[int, ...] = (4,), norm_eval: bool = False,
                 pretrained: Optional[str] = None) -> None:
        super().__init__(depth, with_bn=with_bn, num_classes=-1, frozen_stages=frozen_stages,
                         out_indices=out_indices, bn_eval=norm_eval)
        self.pretrained = pretrained

    def train(self, mode: bool = True) -> 'MmcvVGG':
        """As any module's: mmcv's returns nothing."""
        super().train(mode)
        return self

    def init_weights(self) -> None:
        """Load the pretrained weights, every one of the trunk's, or draw them."""
        if self.pretrained is None:
            super().init_weights()
            return
        loaded = CheckpointLoader.load_checkpoint(self.pretrained, map_location='cpu')
        loaded = loaded.get('state_dict', loaded)
        trunk = {name: value for name, value in loaded.items() if name.startswith('features.')}
        try:
            self.load_state_dict(trunk)
        except RuntimeError as error:
            raise ValueError(f'{self.pretrained} does not hold the weights of this VGG (set '
                             f'backbone.depth and backbone.with_bn to its own): {error}') from None
