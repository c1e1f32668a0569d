"""A recognizer whose sequences keep their time axis: (N, T, C, H, W) from end to end."""
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch
from mmaction.models.recognizers import BaseRecognizer
from mmaction.structures import ActionDataSample
from mmengine.optim import OptimWrapper
from torch import Tensor

from ..layers import State
from ..layers.sequence import check_lengths, valid_mask
from ..overlap import BatchClip, ClipOutput, ClipPlan, CoherenceSettings, train_clips
from ..registry import MODELS
from .backbone_scope import (
    FRAME,
    SEGMENTS,
    backbone_scope,
    check_no_padding,
    check_segments,
    check_steps,
    with_time,
)
from .chunks import chunk_length, chunked_logits, require_causal
from .frame_features import feature_maps

Samples = Sequence[ActionDataSample]


@MODELS.register_module()
class RecurrentRecognizer(BaseRecognizer):
    """Backbone on frames or clips, recurrent neck over time, classifier on each item.

    Trains clip by clip when the samples carry a ``clip_plan`` (see
    :class:`~cbm_plugin.overlap.transforms.SampleOverlapClips`), and on whole sequences otherwise;
    :class:`~cbm_plugin.overlap.hook.CoherenceHook` switches the coherence loss on. Tests on whole
    sequences.

    Args:
        backbone: a 2D backbone of MMAction2, ``MmcvVGG``, ``timm.NAME`` or ``torchvision.NAME``;
            a 3D one (``ResNet3d``, ``ResNet3dSlowOnly``, ...), whose time axis the neck runs over;
            ``ResNetTSM`` and its kin; or ``NoBackbone``. See :attr:`causal` and
            :func:`~cbm_plugin.recognition.backbone_scope.backbone_scope`.
        cls_head: a :class:`~cbm_plugin.recognition.head.RecurrentHead`.
        neck: a :class:`~cbm_plugin.recognition.neck.RecurrentNeck`. Default None: no recurrence;
            the mean of the frames' logits is the temporal mean baseline.
        data_preprocessor: a :class:`~cbm_plugin.recognition.preprocessor.SequencePreprocessor`
            (default), which is also made of a stock one's ``mean``, ``std`` and ``to_rgb``.
        train_cfg: as MMAction2's.
        test_cfg: ``dict(chunk_len=L)`` tests long videos L frames at a time, with equal results and
            bounded memory (see :func:`~cbm_plugin.recognition.chunks.chunked_logits`).

    Attributes:
        causal: whether the scores of a frame depend on no later frame. So it is with backbones on
            single frames. I3D, SlowOnly and their kin see a clip at once, and TSM shifts features
            back from later frames: such models cannot stream, their scores after part of a video
            are those of a new run on that part, and they take no clips of unequal lengths.
    """

    def __init__(self, backbone: dict, cls_head: Optional[dict] = None,
                 neck: Optional[dict] = None, train_cfg: Optional[dict] = None,
                 test_cfg: Optional[dict] = None,
                 data_preprocessor: Optional[dict] = None) -> None:
        preprocessor = dict(data_preprocessor or {})
        if preprocessor.get('type', 'ActionDataPreprocessor') == 'ActionDataPreprocessor':
            preprocessor['type'] = 'SequencePreprocessor'  # a stock config's, made to fit
        super().__init__(backbone, cls_head, neck, train_cfg, test_cfg,
                         MODELS.build(preprocessor))
        chunk_length(test_cfg)  # a wrong one is told now, not at the first test
        self.scope = backbone_scope(self.backbone)
        self.causal = self.scope == FRAME
        if self.with_cls_head and getattr(self.cls_head, 'per_frame', False):
            require_causal(self, 'model.cls_head.per_frame')
        self.coherence = CoherenceSettings()

    # --- features

    def extract_feat(self, inputs: Tensor, lengths: Optional[Tensor] = None,
                     state: Optional[State] = None, state_at: Optional[Tensor] = None,
                     stage: str = 'neck') -> Tuple[Tensor, Optional[State]]:
        """Features of a batch of sequences.

        Args:
            inputs: ``(N, T, C, H, W)`` frames as they come from the data set (uint8).
            lengths: ``(N,)``. Default None: all T.
            state, state_at: see :meth:`cbm_plugin.layers.DeepRNN.forward`.
            stage: ``'backbone'``, ``'neck'`` or ``'head'`` (logits).

        Returns:
            ``(N, T, ...)`` and the neck's state (None without a neck). A backbone with strides in
            time has fewer items than frames.

        Raises:
            ValueError: a backbone that looks beyond a frame gets clips of unequal lengths, or of
                another length than it was built for.
            TypeError: the backbone gives no time axis, or several maps.
        """
        lengths = check_lengths(inputs, lengths)
        features = self._backbone_features(inputs, lengths)
        new_state: Optional[State] = None
        if stage != 'backbone' and self.with_neck:
            if features.shape[1] != inputs.shape[1]:  # a backbone with strides in time
                lengths = None  # all equal
                if state_at is not None:
                    check_steps(self.backbone, inputs.shape[1], features.shape[1])
            features, new_state = self.neck(features, state, lengths, state_at)
        return (self.cls_head(features) if stage == 'head' else features), new_state

    def _backbone_features(self, inputs: Tensor, lengths: Optional[Tensor]) -> Tensor:
        """``(N, T, C, H, W)`` frames -> the backbone's features ``(N, T', ...)``."""
        if inputs.ndim != 5:
            raise ValueError(f'RecurrentRecognizer expects (N, T, C, H, W), got the shape '
                             f'{tuple(inputs.shape)}: end the pipeline with FormatShape NCHW')
        valid = valid_mask(inputs, lengths)
        if self.scope == FRAME:
            return self._frame_features(inputs, valid)
        check_no_padding(self.backbone, lengths, valid)
        check_segments(self.backbone, inputs.shape[1])
        frames = self.data_preprocessor.normalize(inputs.flatten(0, 1))
        if self.scope == SEGMENTS:
            return self._features(frames).unflatten(0, (len(inputs), -1))
        clips = frames.unflatten(0, inputs.shape[:2]).transpose(1, 2)
        return with_time(self._features(clips), self.backbone).transpose(1, 2)

    def _frame_features(self, inputs: Tensor, valid: Optional[Tensor]) -> Tensor:
        """The backbone on the frames that exist; the others come out as zeros."""
        frames = inputs.flatten(0, 1) if valid is None else inputs[valid]
        features = self._features(self.data_preprocessor.normalize(frames))
        if valid is None:
            return features.unflatten(0, inputs.shape[:2])
        padded = features.new_zeros(*inputs.shape[:2], *features.shape[1:])
        padded[valid] = features
        return padded

    def _features(self, images: Tensor) -> Tensor:
        shape = getattr(self, 'feature_shape', None) or 'NCHW'
        return feature_maps(self.backbone, images, self.backbone_from, shape)

    # --- MMAction2's modes

    def forward(self, inputs: Tensor, data_samples: Optional[Samples] = None,
                mode: str = 'tensor', lengths: Optional[Tensor] = None,
                state: Optional[State] = None, state_at: Optional[Tensor] = None,
                **kwargs: Any) -> Union[Tensor, dict, list, ClipOutput]:
        """All uses of the network, so that a distributed wrapper sees each.

        Args:
            inputs: ``(N, T, C, H, W)``.
            data_samples: labels, and where predictions go.
            mode: ``'tensor'`` (features; ``stage`` as in :meth:`extract_feat`), ``'loss'``,
                ``'predict'``, or ``'clip'``: one clip of a training sequence.
            lengths, state, state_at: see :meth:`extract_feat`.
        """
        if mode == 'tensor':
            return self.extract_feat(inputs, lengths, state, state_at, **kwargs)[0]
        chunk_len = chunk_length(self.test_cfg) if mode == 'predict' else None
        if chunk_len is not None:
            whole = torch.full((inputs.shape[0],), inputs.shape[1]) if lengths is None else lengths
            logits = chunked_logits(self, inputs, whole, chunk_len)
            return self.cls_head.predict_of_logits(logits, whole, data_samples)
        logits, new_state = self.extract_feat(inputs, lengths, state, state_at, stage='head')
        if lengths is None or logits.shape[1] != inputs.shape[1]:
            lengths = torch.full((inputs.shape[0],), logits.shape[1])
        if mode == 'predict':
            return self.cls_head.predict_of_logits(logits, lengths, data_samples)
        if mode == 'loss':
            _check_single_clips(data_samples or ())
        losses = self.cls_head.loss_of_logits(logits, lengths, data_samples)
        if mode == 'loss':
            return losses
        if mode == 'clip':
            return ClipOutput(losses, logits.float().softmax(-1), new_state)
        raise ValueError(f"mode '{mode}' is unknown: use 'tensor', 'loss', 'predict' or 'clip'")

    # --- training

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """One optimizer step over all clips of a batch of sequences."""
        return self.train_clipwise(self, data, optim_wrapper)

    def train_clipwise(self, model: Any, data: dict,
                       optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """:meth:`train_step` through ``model``, which is this module or its wrapper."""
        data = self.data_preprocessor(data, training=True)
        inputs, samples = data['inputs'], data['data_samples']
        plans = _plans(samples, data['lengths'])

        def forward_clip(clip: BatchClip, state: Optional[State]) -> ClipOutput:
            frames = frames_of(inputs, clip)
            output = model(frames, samples, mode='clip', lengths=clip.lengths, state=state,
                           state_at=clip.state_at)
            if len(plans[0].clips) > 1:
                check_steps(self.backbone, frames.shape[1], output.probabilities.shape[1])
            return output

        return train_clips(model, plans, forward_clip, optim_wrapper, self._settings())

    def _settings(self) -> CoherenceSettings:
        """Without a recurrent neck there is no state to carry."""
        if self.with_neck:
            return self.coherence
        return CoherenceSettings(self.coherence.weight, self.coherence.distance, 'reset')


def frames_of(inputs: Tensor, clip: BatchClip) -> Tensor:
    """A clip's frames ``(N, T', C, H, W)`` out of a batch's, still uint8.

    What lies beyond a clip's length is some other frame: the lengths say what counts.
    """
    longest = int(clip.lengths.max())
    first = int(clip.offsets[0])
    if bool((clip.offsets == first).all()) and first + longest <= inputs.shape[1]:
        return inputs[:, first:first + longest]
    places = (clip.offsets[:, None] + torch.arange(longest)).clamp_max(inputs.shape[1] - 1)
    rows = torch.arange(inputs.shape[0])[:, None]
    return inputs[rows.to(inputs.device), places.to(inputs.device)]


def _plans(samples: Samples, lengths: Tensor) -> List[ClipPlan]:
    plans = [sample.get('clip_plan') for sample in samples]
    if all(plan is None for plan in plans):
        return [ClipPlan.whole(int(length)) for length in lengths]
    for plan, length in zip(plans, lengths.tolist()):
        if plan is None or len(plan.positions) != length:
            raise ValueError(
                f'a sample has {length} frames, but its clip plan needs '
                f'{None if plan is None else len(plan.positions)}: no transform after the sampler '
                'may add or drop frames')
    return plans


def _check_single_clips(samples: Samples) -> None:
    """The frames of several clips are no sequence: mode ``'loss'`` would train on a wrong one."""
    plans = [sample.get('clip_plan') for sample in samples]
    if any(plan is not None and len(plan.clips) > 1 for plan in plans):
        raise ValueError(
            "samples with several clips train through train_step, not mode='loss'. On several "
            'processes, where the stock wrapper skips train_step, write in the config:\n'
            "    model_wrapper_cfg = dict(type='ClipwiseDistributedDataParallel', "
            'broadcast_buffers=False)')
