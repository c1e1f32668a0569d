"""Recognition of a video that still runs: a frame in, scores out."""
from pathlib import Path
from typing import Mapping, Optional, Sequence, Union

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from ..engine.checkpoints import load_exactly
from ..engine.inference import build_unloaded, inference_pipeline
from ..layers import State
from .chunks import require_causal
from .frame_pipeline import FramePipeline, interval_of
from .recognizer import RecurrentRecognizer
from .running_scores import running_scores

ORDERS = ('rgb', 'bgr')


class StreamRecognizer:
    """Scores after every frame, in constant time and memory, equal to those of the video so far.

    ::

        stream = StreamRecognizer.from_config(CONFIG, CHECKPOINT, channel_order='bgr')
        for frame in frames:        # uint8 (H, W, 3), as OpenCV gives them
            scores = stream(frame)  # (K,)
        stream.reset()              # the next video

    Each frame passes the network once, and the recurrent state carries what came before, where
    demos of windowed models run a whole window again for every frame.

    Args:
        model: is put in evaluation mode, and stays where it is (CPU or GPU).
        pipeline: the test pipeline of its config; see
            :class:`~cbm_plugin.recognition.frame_pipeline.FramePipeline`.
        aggregation: how the frames' logits become scores. Default None: as the head does.
        window: of the last so many fed frames alone. Default None: of all. A stream of hours needs
            one, or ``'last'``: the mean of a long past hardly moves.
        frame_interval: feed every so many frames to the network; those between give the scores
            there are. Default None: that of the pipeline's sampler.
        channel_order: of the frames: ``'rgb'`` (default, as MMAction2's decoders give them) or
            ``'bgr'`` (as OpenCV does).
        per_frame: types of transforms of your own that work on each frame alone.

    Raises:
        TypeError: the model is no ``RecurrentRecognizer``.
        ValueError: the model sees later frames, a transform needs the whole video, an aggregation
            needs a window, or a number is out of range; the message says what to do.
    """

    def __init__(self, model: RecurrentRecognizer, pipeline: Sequence[Mapping], *,
                 aggregation: Optional[str] = None, window: Optional[int] = None,
                 frame_interval: Optional[int] = None, channel_order: str = 'rgb',
                 per_frame: Sequence[str] = ()) -> None:
        if not isinstance(model, RecurrentRecognizer):
            raise TypeError(f'streaming needs a RecurrentRecognizer, got {type(model).__name__}: '
                            "set model.type = 'RecurrentRecognizer', with its neck and head")
        require_causal(model, 'streaming')
        if channel_order not in ORDERS:
            raise ValueError(f"channel_order is '{channel_order}': use 'rgb' or 'bgr'")
        if frame_interval is None:
            frame_interval = interval_of(pipeline)
        if frame_interval < 1:
            raise ValueError(f'frame_interval is {frame_interval}, but must be at least 1')
        self.model = model.eval()
        self.pipeline = FramePipeline(pipeline, per_frame)
        self.aggregation = aggregation or model.cls_head.aggregation
        self.window, self.frame_interval = window, frame_interval
        self.channel_order = channel_order
        self.reset()

    @classmethod
    def from_config(cls, config: Union[str, Path, Config],
                    checkpoint: Union[str, Path, None] = None,
                    device: Union[str, torch.device] = 'cpu',
                    **options: object) -> 'StreamRecognizer':
        """Of a config and a checkpoint that fits it exactly (None: untrained weights).

        Args:
            config: file, or what was read of it.
            checkpoint: file or URL.
            device: where to run. Default the CPU.
            options: of the class.

        Raises:
            FileNotFoundError, ValueError: see
                :func:`~cbm_plugin.engine.checkpoints.load_exactly`; or the config has no test
                pipeline.
        """
        cfg = config if isinstance(config, Config) else Config.fromfile(config)
        model = build_model(cfg)
        if checkpoint is None:
            model.init_weights()
        else:
            load_exactly(model, checkpoint, str(cfg.filename or 'the config'))
        return cls(model.to(device), pipeline_of(cfg), **options)  # type: ignore[arg-type]

    def reset(self) -> None:
        """Forget all frames: the next one is the first of another video."""
        self.scores: Optional[Tensor] = None
        self.frames_seen = 0
        self.state: Optional[State] = None
        self._size: Optional[torch.Size] = None
        self._update = running_scores(self.aggregation, self.window)

    def __call__(self, frame: np.ndarray) -> Tensor:
        """Take one frame, uint8 ``(H, W, 3)``, and give the scores ``(K,)``, on the CPU.

        Raises:
            TypeError, ValueError: it is no such frame, or of another size than the one before.
        """
        _check_frame(frame)
        due = self.frames_seen % self.frame_interval == 0
        if due:
            self.scores = self._update(self._logits(frame))
        self.frames_seen += 1
        assert self.scores is not None  # the first frame is always due
        return self.scores

    @torch.no_grad()
    def _logits(self, frame: np.ndarray) -> Tensor:
        if self.channel_order == 'bgr':
            frame = frame[..., ::-1]
        ready = self.pipeline(np.ascontiguousarray(frame))
        if self._size is not None and ready.shape != self._size:
            raise ValueError(
                f'the frames had the size {tuple(self._size[2:])} after the test pipeline, now '
                f'{tuple(ready.shape[2:])}: call reset() before another video, or resize to one '
                'size in the pipeline (keep_ratio=False, or a CenterCrop)')
        device = next(self.model.parameters()).device
        logits, state = self.model.extract_feat(ready[None].to(device), state=self.state,
                                                stage='head')
        # only now, so that a frame that fails leaves the stream as it was
        self._size, self.state = ready.shape, state
        return logits[0, 0].float().cpu()


def build_model(cfg: Config) -> RecurrentRecognizer:
    """The config's model, without fetching pretrained weights: a checkpoint has them all.

    Raises:
        ValueError: it is no ``RecurrentRecognizer``.
    """
    built = build_unloaded(cfg)
    if not isinstance(built, RecurrentRecognizer):
        raise ValueError(f"model.type is '{cfg.model.type}', but streaming needs a model that "
                         "carries a state: set model.type = 'RecurrentRecognizer', with its neck "
                         'and head (README.md)')
    return built


def pipeline_of(cfg: Config) -> Sequence[Mapping]:
    """The test pipeline of a config.

    Raises:
        ValueError: there is none.
    """
    return inference_pipeline(cfg, 'streaming prepares each frame as that does')


def _check_frame(frame: np.ndarray) -> None:
    if not isinstance(frame, np.ndarray):
        raise TypeError(f'a frame must be a NumPy array, got {type(frame).__name__}')
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f'a frame must be uint8 (H, W, 3), got {frame.dtype} {frame.shape}')
