"""The recurrent stack between a backbone and the classifier."""
from typing import Optional, Tuple

from mmengine.model import BaseModule
from torch import Tensor, nn

from ..layers import LAYERS, STANDALONE_CHANNELS, DeepRNN, State, variant_settings
from ..layers.sequence import Lengths
from ..registry import MODELS

WRONG_RECOGNIZER = """\
RecurrentNeck got {got} where it expects one tensor (N, T, C, H, W). MMAction2's Recognizer2D takes
the time axis apart before its neck. Change the config to:
    custom_imports = dict(imports=['cbm_plugin.recognition'])
    model = dict(type='RecurrentRecognizer',
                 neck=dict(type='RecurrentNeck', ...),
                 cls_head=dict(_delete_=True, type='RecurrentHead',
                               num_classes=..., in_channels=...))"""


@MODELS.register_module()
class RecurrentNeck(BaseModule):
    """A :class:`~cbm_plugin.layers.deep_rnn.DeepRNN` as a neck: CBM, ConvLSTM, LSTM, ...

    Stands in a ``RecurrentRecognizer``; inside MMAction2's ``Recognizer2D`` it refuses to run.
    Where the layers are made for vectors (``LSTM``, ``GRU``, or any layer with
    ``kernel_size=None``), maps are averaged to vectors first.

    Args:
        in_channels: C of the backbone's maps.
        hidden_channels: C after each layer.
        layer: ``dict(type='CBM', ...)``; the names are those of
            :data:`~cbm_plugin.layers.build.LAYERS`, or of modules in MMAction2's registry.
            Default None: the variant's, or the CBM layer's own defaults.
        variant: one of the paper's networks by name (:data:`~cbm_plugin.layers.variants.VARIANTS`);
            what else is given overrides it.
        dropout_ratio: of whole channels of the backbone's maps. Default 0; the paper has 0.2.
        options: the other arguments of ``DeepRNN``: ``shortcuts``, ``pool_after``, ...

    Raises:
        ValueError: an option is unknown; the message names what is allowed.
    """

    def __init__(self, in_channels: int, hidden_channels: list, layer: Optional[dict] = None,
                 variant: Optional[str] = None, dropout_ratio: float = 0.0,
                 init_cfg: Optional[dict] = None, **options: object) -> None:
        super().__init__(init_cfg)
        settings = variant_settings(variant, layer, **options)
        settings['layer'] = resolve_types(settings['layer'])
        self.rnn = DeepRNN(in_channels, hidden_channels, **settings)
        self.out_channels = self.rnn.out_channels
        self.dropout = nn.Dropout2d(dropout_ratio)

    def forward(self, x: Tensor, state: Optional[State] = None, lengths: Lengths = None,
                state_at: Lengths = None, **kwargs: object) -> Tuple[Tensor, State]:
        """As ``DeepRNN``: ``(N, T, C, H, W)`` -> the same of the last layer, and the state.

        Raises:
            TypeError: called by a stock recognizer; the message shows the lines to change.
        """
        if not isinstance(x, Tensor) or 'data_samples' in kwargs:
            got = 'a list of tensors' if not isinstance(x, Tensor) else f'{tuple(x.shape)}'
            raise TypeError(WRONG_RECOGNIZER.format(got=got))
        frames = self._prepared(x.flatten(0, 1))
        return self.rnn(frames.unflatten(0, x.shape[:2]), state, lengths, state_at)

    def step(self, x_t: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """One frame ``(N, C, H, W)``."""
        return self.rnn.step(self._prepared(x_t), state)

    def _prepared(self, frames: Tensor) -> Tensor:
        """Maps ``(M, C, H, W)`` or vectors ``(M, C)`` as the first layer takes them."""
        if frames.ndim == 4 and self.rnn.layers[0].kernel_size is None:
            frames = frames.mean(dim=(-2, -1))
        if self.dropout.p == 0 or not self.training:
            return frames
        if frames.ndim == 2:
            return self.dropout(frames[..., None, None])[..., 0, 0]
        return self.dropout(frames)


@MODELS.register_module()
class StandaloneCBM(RecurrentNeck):
    """The paper's 17-layer network that needs no CNN before it (section 4.1).

    Takes the frames themselves: ``backbone=dict(type='NoBackbone')``. Maps come out at 1/32 of the
    frames' size, 512 channels.

    Args:
        in_channels: of the frames. Default 3.
        hidden_channels: after each of the 17 layers. Default None: the published
            :data:`~cbm_plugin.layers.variants.STANDALONE_CHANNELS`.
        variant: default ``'standalone'``; ``'standalone_released'`` for the authors' weights.
        options: of :class:`RecurrentNeck`, where they differ from the variant. The authors' dropout
            after layer 11 is not there.
    """

    def __init__(self, in_channels: int = 3, hidden_channels: Optional[list] = None,
                 variant: str = 'standalone', **options: object) -> None:
        super().__init__(in_channels, hidden_channels or STANDALONE_CHANNELS,
                         variant=variant, **options)  # type: ignore[arg-type]


def resolve_types(config: dict) -> dict:
    """``config`` with modules of MMAction2's registry in place of names that are not ours."""
    config = dict(config)
    kind = config.get('type')
    if isinstance(kind, str) and kind not in LAYERS:
        config['type'] = MODELS.get(kind) or kind
    for name in ('bridge', 'temporal'):
        if isinstance(config.get(name), dict):
            config[name] = resolve_types(config[name])
    return config
