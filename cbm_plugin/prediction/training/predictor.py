"""A model that learns to predict frames: a network, its losses, what it is fed."""
from typing import Any, Dict, List, Optional, Sequence, Union

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ...layers.sequence import Lengths
from ...layers.state import State
from ...overlap import BatchClip, ClipOutput, CoherenceSettings, train_clips
from ...registry import MODELS
from ..data.data_sample import PredictionDataSample
from ..network.frame_network import FrameNetwork
from .feeding import Feeding

Samples = Sequence[PredictionDataSample]


@MODELS.register_module()
class VideoPredictor(BaseModel):
    """Sees the first frames of a video and predicts the next ones (section 4.3).

    Trains on whole sequences; or, where samples have a clip plan (``SampleFrameClips``), clip by
    clip in the memory of one clip, with ``CoherenceHook`` for the loss on the overlaps.

    Args:
        network: a :class:`~cbm_plugin.prediction.network.frame_network.FrameNetwork`.
        losses: of predictions and truth in [0, 1], each with its weight. Default: mean squared
            error.
        feeding: what is fed after the inputs in training: ``'teacher'`` (the truth),
            ``'feedback'`` (predictions, the default: what testing does), ``'scheduled'`` (from the
            one to the other), or the arguments of
            :class:`~cbm_plugin.prediction.training.feeding.Feeding`.
        inputs_too: also learn to predict the inputs 2, 3, .... Default False.
        data_preprocessor: default ``FramePreprocessor``.

    Raises:
        ValueError: an option is unknown or out of range; (when run) the frames are not what the
            network takes, or there is nothing to predict.
    """

    def __init__(self, network: dict, losses: Sequence[dict] = (dict(type='FrameMSELoss'), ),
                 feeding: Union[str, dict] = 'feedback', inputs_too: bool = False,
                 data_preprocessor: Optional[dict] = None,
                 init_cfg: Optional[dict] = None) -> None:
        preprocessor = MODELS.build(data_preprocessor or dict(type='FramePreprocessor'))
        super().__init__(preprocessor, init_cfg)
        self.network: FrameNetwork = MODELS.build(network)
        self.losses = nn.ModuleDict()
        for loss in losses:
            built = MODELS.build(loss)
            if built.log_name in self.losses:
                raise ValueError(f"there are two losses '{built.log_name}': keep one")
            self.losses[built.log_name] = built
        self.feeding = Feeding.of(feeding)
        self.inputs_too = inputs_too
        self.coherence = CoherenceSettings()

    def forward(self, inputs: Tensor, data_samples: Optional[Samples] = None,
                mode: str = 'tensor', **more: Any
                ) -> Union[Tensor, Dict[str, Tensor], List[PredictionDataSample], ClipOutput]:
        """All uses of the model, so that a distributed wrapper sees each.

        Args:
            inputs: ``(N, T, C, H, W)`` in [0, 1]; inputs, and truth if it is known.
            data_samples: how many of the frames are inputs; where predictions go.
            mode: ``'tensor'`` (teacher-forced predictions), ``'loss'`` (with ``given``, see the
                network's forward), ``'predict'``, or ``'clip'``: one clip of inputs and their
                successors, with ``lengths``, ``state`` and ``state_at``.
        """
        self._check(inputs)
        if mode == 'tensor':
            return self.network(inputs, inputs.shape[1] - 1, inputs_too=True)
        if mode == 'predict':
            return self.predict(inputs, data_samples or ())
        if mode == 'loss':
            return self.loss(inputs, data_samples or (), **more)
        if mode == 'clip':
            return self._clip(inputs, **more)
        raise ValueError(f"mode '{mode}' is unknown: use 'tensor', 'loss', 'predict' or 'clip'")

    def loss(self, inputs: Tensor, data_samples: Samples,
             given: Optional[Tensor] = None) -> Dict[str, Tensor]:
        """The losses by name, all in float32."""
        num_inputs = self._num_inputs(inputs, data_samples)
        if num_inputs == inputs.shape[1]:
            raise ValueError(f'the sequences have {num_inputs} frames and all are inputs: set '
                             'num_outputs in the training data set to at least 1')
        predictions = self.network(inputs, num_inputs, given, self.inputs_too)
        return self.compare(predictions, inputs[:, -predictions.shape[1]:])

    def compare(self, predictions: Tensor, targets: Tensor) -> Dict[str, Tensor]:
        """Every loss of predictions and truth ``(N, T, C, H, W)``, named ``loss_...``."""
        predictions, targets = predictions.float(), targets.float()
        return {name: loss(predictions, targets) for name, loss in self.losses.items()}

    def predict(self, inputs: Tensor, data_samples: Samples) -> List[PredictionDataSample]:
        """Sets ``input_frames``, ``pred_frames``, and, where it is known, ``target_frames``.

        As many frames are predicted as there are true ones, or ``num_outputs`` of the samples.
        """
        num_inputs = self._num_inputs(inputs, data_samples)
        known = inputs.shape[1] - num_inputs
        num_outputs = known or data_samples[0].get('num_outputs', 0)
        if num_outputs < 1:
            raise ValueError(f'the sequences have {num_inputs} frames and all are inputs: set '
                             'num_outputs, of the data set or of the samples, to at least 1')
        predictions = self.rollout(inputs[:, :num_inputs], num_outputs)
        for sample, frames, predicted in zip(data_samples, inputs, predictions):
            sample.input_frames, sample.pred_frames = frames[:num_inputs], predicted
            if known:
                sample.target_frames = frames[num_inputs:]
        return list(data_samples)

    @torch.no_grad()
    def rollout(self, frames: Tensor, num_outputs: int) -> Tensor:
        """Known frames ``(N, T, C, H, W)`` in [0, 1] -> ``(N, num_outputs, C, H, W)``, clipped."""
        self._check(frames)
        return self.network.rollout(frames, num_outputs).float().clamp(0, 1)

    # --- training

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """One iteration: whole sequences, or all clips of them."""
        return self.train_clipwise(self, data, optim_wrapper)

    def train_clipwise(self, model: Any, data: dict,
                       optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """:meth:`train_step` through ``model``, which is this module or its wrapper."""
        data = self.data_preprocessor(data, training=True)
        inputs, samples = data['inputs'], data['data_samples']
        if samples[0].get('clip_plan') is not None:
            return self._train_clips(model, inputs, samples, optim_wrapper)
        with optim_wrapper.optim_context(model):
            losses = model(inputs, samples, mode='loss',
                           given=self.draw_given(inputs, samples, optim_wrapper))
        loss, logs = self.parse_losses(losses)
        optim_wrapper.update_params(loss)
        return logs

    def draw_given(self, inputs: Tensor, samples: Samples,
                   optim_wrapper: OptimWrapper) -> Optional[Tensor]:
        """Where the truth is fed in this iteration, see ``Feeding.draw``."""
        total = optim_wrapper._max_counts  # iterations; the runner sets it, and the count
        done = optim_wrapper.inner_count / total if total > 0 else 0.0
        steps = inputs.shape[1] - self._num_inputs(inputs, samples) - 1
        given = self.feeding.draw(len(inputs), steps, done)
        return None if given is None else given.to(inputs.device)

    def _train_clips(self, model: Any, inputs: Tensor, samples: Samples,
                     optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        plans = [sample.clip_plan for sample in samples]
        for plan in plans:
            if plan.length != inputs.shape[1] - 1:
                raise ValueError(f'a sequence has {inputs.shape[1]} frames, so clips lie in '
                                 f'{inputs.shape[1] - 1} positions, each with a successor, but its '
                                 f'plan is for {plan.length}: use SampleFrameClips')

        def forward_clip(clip: BatchClip, state: Optional[State]) -> ClipOutput:
            places = clip.starts[:, None] + torch.arange(int(clip.lengths.max()) + 1)
            rows = torch.arange(len(inputs))[:, None]
            frames = inputs[rows, places.clamp_max(inputs.shape[1] - 1)]
            return model(frames, samples, mode='clip', lengths=clip.lengths, state=state,
                         state_at=clip.state_at)

        return train_clips(model, plans, forward_clip, optim_wrapper, self.coherence)

    def _clip(self, frames: Tensor, lengths: Tensor, state: Optional[State] = None,
              state_at: Lengths = None) -> ClipOutput:
        """Teacher forcing over one clip; predictions of one place are tied together by the loss."""
        predictions, state = self.network.next_frames(frames[:, :-1], state, lengths, state_at)
        valid = torch.arange(predictions.shape[1]) < lengths[:, None]
        losses: Dict[str, Tensor] = {}
        for row in range(len(frames)):  # clips differ in length; each counts alike
            own = self.compare(predictions[row:row + 1, valid[row]],
                               frames[row:row + 1, 1:][:, valid[row]])
            for name, value in own.items():
                losses[name] = losses.get(name, 0) + value / len(frames)
        return ClipOutput(losses, predictions.float().flatten(2), state)

    # --- checks

    def _num_inputs(self, inputs: Tensor, samples: Samples) -> int:
        num_inputs = samples[0].num_inputs
        if not 1 <= num_inputs <= inputs.shape[1]:
            raise ValueError(f'num_inputs={num_inputs} of {inputs.shape[1]} frames: at least 1 and '
                             f'at most {inputs.shape[1]} can be seen')
        return num_inputs

    def _check(self, frames: Tensor) -> None:
        if frames.ndim != 5:
            raise ValueError(f'frames are (N, T, C, H, W), got the shape {tuple(frames.shape)}')
        if frames.shape[2] != self.network.channels:
            raise ValueError(
                f'the network predicts frames of {self.network.channels} channels, but got '
                f"{frames.shape[2]}: set the data set's colour to 'grey' for 1 or 'rgb' for 3, or "
                f'network.channels={frames.shape[2]}')
