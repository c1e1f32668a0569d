"""Polygon-RNN: an object's outline as a sequence of vertices (section 4.2)."""
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ...layers import DeepRNN, State, variant_settings
from ...layers.sequence import Lengths
from ...overlap import BatchClip, ClipOutput, ClipPlan, CoherenceSettings, train_clips
from ...registry import MODELS
from ..data.data_sample import PolygonDataSample
from ..geometry.grid import VertexGrid
from .decoding import Decoded, decode
from .heads import cells_of_maps, vertex_maps
from .outlining import set_prediction
from .positions import IGNORED, Positions
from .supervision import dense_loss, spread_cross_entropy
from .trunk import Lateral, fused

Samples = Sequence[PolygonDataSample]
SEEN_VERTICES = 3
"""The first one and the two before: maps beside the image features at every position."""


@MODELS.register_module()
class PolygonRNN(BaseModel):
    """Predicts an outline vertex by vertex from the crop around an object.

    ::

        crop -> trunk, 4 levels -> laterals -> fusion -> features -+-> first vertex
                         first, before, last vertex as maps -------+-> recurrent stack -> head
                                                                        -> next vertex, or the end

    Trains clip by clip over the vertices with ``CoherenceHook``; decodes with carried state.

    Args:
        backbone: gives four maps.
        level_channels: of those maps. Default None: the backbone's ``channels``.
        rnn: of the recurrent stack: ``hidden_channels``, and ``variant``, ``layer``, ``shortcuts``
            ... as of :func:`~cbm_plugin.layers.variants.variant_settings`.
        head: default :class:`~cbm_plugin.polygon.network.heads.LSTMVertexHead`, the published one.
        feature_channels: of the image features. Default 128, the published number.
        grid_size: default 28, the published one.
        cells_per_feature: cells along a side of one place of the maps. Default 1, published: maps
            are as fine as the grid. 2 makes the recurrence four times cheaper.
        spread: share of a vertex's target that its neighbour cells have. Default 0, the authors'.
        dense: weight of the loss on all boundary and vertex cells at once. Default 0, the authors'.
            See :mod:`~cbm_plugin.polygon.network.supervision`.
        test_cfg: ``beam_width`` (default 1: greedy), ``max_vertices`` (default 60, published) and
            ``end_above`` (default 0.5: see :func:`~cbm_plugin.polygon.decode`).
        data_preprocessor: default None: mmengine's ``ImgDataPreprocessor`` with ImageNet's colours.

    Raises:
        ValueError: the grid is no multiple of ``cells_per_feature``, an option is unknown, or the
            backbone does not say its channels.
    """

    def __init__(self, backbone: dict, rnn: dict, head: Optional[dict] = None,
                 level_channels: Optional[Sequence[int]] = None, feature_channels: int = 128,
                 grid_size: int = 28, cells_per_feature: int = 1, spread: float = 0.0,
                 dense: float = 0.0, test_cfg: Optional[dict] = None,
                 data_preprocessor: Optional[dict] = None,
                 init_cfg: Optional[dict] = None) -> None:
        super().__init__(data_preprocessor or dict(IMAGENET), init_cfg)
        if grid_size % cells_per_feature:
            raise ValueError(f'grid_size={grid_size} is no multiple of cells_per_feature='
                             f'{cells_per_feature}')
        if not 0 <= spread < 1 or dense < 0:
            raise ValueError(f'spread={spread} must lie in [0, 1), dense={dense} not be negative')
        self.grid = VertexGrid(grid_size)
        self.cells_per_feature = cells_per_feature
        self.backbone = MODELS.build(backbone)
        levels = level_channels or getattr(self.backbone, 'channels', None)
        if levels is None:
            raise ValueError(f'{type(self.backbone).__name__} does not say the channels of its '
                             'maps: set level_channels, for ResNet-50 to [256, 512, 1024, 2048]')
        self.laterals = nn.ModuleList(Lateral(width, feature_channels) for width in levels)
        self.fusion = Lateral(feature_channels * len(levels), feature_channels)
        self.first_vertex = nn.Sequential(
            nn.Conv2d(feature_channels, feature_channels, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(feature_channels, cells_per_feature ** 2, 1))
        self.spread, self.dense_weight = spread, dense
        self.dense = nn.Conv2d(feature_channels, 2 * cells_per_feature ** 2, 1) if dense else None
        rnn = dict(rnn)
        widths = rnn.pop('hidden_channels')
        self.rnn = DeepRNN(feature_channels + SEEN_VERTICES * cells_per_feature ** 2, widths,
                           **variant_settings(**rnn))
        self.head = MODELS.build(dict(
            head or dict(type='LSTMVertexHead'), in_channels=widths[-1], grid_size=grid_size,
            cells_per_feature=cells_per_feature))
        self.beam_width, self.max_vertices, self.end_above = _test_settings(test_cfg)
        self.coherence = CoherenceSettings()

    # --- the network

    @property
    def feature_size(self) -> int:
        """Side of the maps."""
        return self.grid.size // self.cells_per_feature

    def extract_feat(self, images: Tensor) -> Tensor:
        """Normalised crops ``(N, 3, S, S)`` -> features ``(N, C, h, w)``."""
        return fused(self.backbone(images), self.laterals, self.fusion, self.feature_size)

    def first_logits(self, features: Tensor) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, cells)``: where the outline starts."""
        return cells_of_maps(self.first_vertex(features), self.cells_per_feature)

    def sequence_logits(self, features: Tensor, positions: Positions, state: Optional[State] = None,
                        lengths: Lengths = None,
                        state_at: Lengths = None) -> Tuple[Tensor, State]:
        """Logits ``(N, T, tokens)`` of the vertices after each position, and the state."""
        seen = torch.stack([positions.first[:, None].expand_as(positions.last), positions.before,
                            positions.last], dim=-1)
        maps = self._with_vertices(features[:, None].expand(-1, seen.shape[1], -1, -1, -1), seen)
        rnn_state, head_state = state or (None, None)
        maps, rnn_state = self.rnn(maps, rnn_state, lengths, state_at)
        logits, head_state = self.head(maps, positions.before, positions.last, head_state, lengths,
                                       state_at)
        return logits, (rnn_state, head_state)

    def step(self, features: Tensor, first: Tensor, before: Tensor, last: Tensor,
             state: Optional[State] = None) -> Tuple[Tensor, State]:
        """One position: features ``(N, C, h, w)``, cells ``(N,)`` -> logits, state."""
        maps = self._with_vertices(features, torch.stack([first, before, last], dim=-1))
        rnn_state, head_state = state or (None, None)
        maps, rnn_state = self.rnn.step(maps, rnn_state)
        logits, head_state = self.head.step(maps, before, last, head_state)
        return logits, (rnn_state, head_state)

    def _with_vertices(self, features: Tensor, seen: Tensor) -> Tensor:
        maps = vertex_maps(seen, self.grid.size, self.cells_per_feature)
        return torch.cat([features, maps.to(features.dtype)], dim=-3)

    # --- MMEngine's modes

    def forward(self, inputs: Tensor, data_samples: Optional[Samples] = None,
                mode: str = 'tensor', **clip: Any
                ) -> Union[Tensor, Dict[str, Tensor], List[PolygonDataSample], ClipOutput]:
        """All uses of the network, so that a distributed wrapper sees each.

        Args:
            inputs: normalised crops ``(N, 3, S, S)``.
            data_samples: vertices to learn from, and where predictions go.
            mode: ``'tensor'`` (features), ``'loss'`` (whole outlines), ``'predict'``, or
                ``'clip'``: one clip of them, with ``positions``, ``lengths``, ``state`` and
                ``state_at``.
        """
        features = self.extract_feat(inputs)
        if mode == 'tensor':
            return features
        if mode == 'predict':
            return self.predict(features, data_samples or ())
        if mode == 'loss':
            clip = dict(positions=self._positions(data_samples or ()))
        elif mode != 'clip':
            raise ValueError(f"mode '{mode}' is unknown: use 'tensor', 'loss', 'predict' or 'clip'")
        outlines = [sample.vertices for sample in data_samples or ()]
        output = self._clip_output(features, outlines, **clip)
        return output.losses if mode == 'loss' else output

    def _clip_output(self, features: Tensor, outlines: Sequence[Tensor], positions: Positions,
                     lengths: Lengths = None, state: Optional[State] = None,
                     state_at: Lengths = None) -> ClipOutput:
        if lengths is None:
            lengths = (positions.target != IGNORED).sum(dim=1).cpu()
        logits, new_state = self.sequence_logits(features, positions, state, lengths, state_at)
        logits = logits.float()
        flat, target = logits.flatten(0, 1), positions.target.flatten()
        first = self.first_logits(features).float()
        known = target != IGNORED
        hits = (flat.detach().argmax(dim=1) == target) & known
        size = self.grid.size
        losses = dict(
            loss_vertex=spread_cross_entropy(flat, target, size, self.spread, IGNORED),
            loss_first=spread_cross_entropy(first, positions.first, size, self.spread),
            vertex_acc=hits.sum() / known.sum().clamp_min(1))
        if self.dense is not None:
            maps = self.dense(features).float().unflatten(1, (2, -1)).flatten(0, 1)
            cells = cells_of_maps(maps, self.cells_per_feature).unflatten(0, (-1, 2))
            losses['loss_dense'] = self.dense_weight * dense_loss(cells, outlines, size)
        return ClipOutput(losses, logits.softmax(dim=-1), new_state)

    def predict(self, features: Tensor, data_samples: Samples) -> List[PolygonDataSample]:
        """Outlines in pixels of the image, in ``pred_polygon``, ``pred_cells``, ``pred_score``."""
        decoded = self.decode(features)
        for sample, outline in zip(data_samples, decoded):
            set_prediction(sample, outline, self.grid)
        return list(data_samples)

    def decode(self, features: Tensor,
               given: Optional[Sequence[Sequence[int]]] = None) -> List[Decoded]:
        """Outlines as cells, by the test settings; ``given``: first vertices that are known."""
        return decode(self, features, self.beam_width, self.max_vertices, given, self.end_above)

    # --- training

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """One optimizer step over all clips of a batch of outlines."""
        return self.train_clipwise(self, data, optim_wrapper)

    def train_clipwise(self, model: Any, data: dict,
                       optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """:meth:`train_step` through ``model``, which is this module or its wrapper."""
        data = self.data_preprocessor(data, training=True)
        inputs, samples = data['inputs'], data['data_samples']
        positions = self._positions(samples)

        def forward_clip(clip: BatchClip, state: Optional[State]) -> ClipOutput:
            return model(inputs, samples, mode='clip',
                         positions=positions.clip(clip.starts, clip.lengths), lengths=clip.lengths,
                         state=state, state_at=clip.state_at)

        return train_clips(model, _plans(samples), forward_clip, optim_wrapper, self.coherence)

    def _positions(self, samples: Samples) -> Positions:
        outlines = [sample.vertices for sample in samples]
        shown = [sample.get('input_vertices', sample.vertices) for sample in samples]
        return Positions.of(outlines, self.grid.end, shown)


IMAGENET = dict(type='mmengine.ImgDataPreprocessor', mean=[123.675, 116.28, 103.53],
                std=[58.395, 57.12, 57.375], bgr_to_rgb=True)


def _test_settings(test_cfg: Optional[dict]) -> Tuple[int, int, float]:
    settings = dict(beam_width=1, max_vertices=60, end_above=0.5)
    unknown = sorted(set(test_cfg or {}) - set(settings))
    if unknown:
        raise ValueError(f'test_cfg has no option {unknown}: use one of {sorted(settings)}')
    settings.update(test_cfg or {})
    beam_width, max_vertices, end_above = settings.values()
    if beam_width < 1 or max_vertices < 3 or not 0 <= end_above <= 1:
        raise ValueError(f'test_cfg has beam_width={beam_width}, max_vertices={max_vertices} and '
                         f'end_above={end_above}, but needs at least 1 and 3, and 0 to 1')
    return beam_width, max_vertices, end_above


def _plans(samples: Samples) -> List[ClipPlan]:
    """The samples' clip plans; whole outlines where there are none."""
    plans = []
    for sample in samples:
        plan = sample.get('clip_plan') or ClipPlan.whole(len(sample.vertices))
        if plan.length != len(sample.vertices):
            raise ValueError(f'an outline has {len(sample.vertices)} vertices, but its clip plan '
                             f'is for {plan.length}: EncodeOutline stands before SampleVertexClips')
        plans.append(plan)
    return plans
