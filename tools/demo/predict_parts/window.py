"""The frames of a video that are seen, and the true ones that follow, as a config's data has them.
"""
import inspect
from typing import Any, NamedTuple, Optional

from mmengine.config import Config
from mmengine.dataset import Compose

from cbm_plugin.engine.inference import inference_pipeline
from cbm_plugin.registry import DATASETS
from cbm_plugin.video.windows import FrameFormat, count_frames, read_frames


class Window(NamedTuple):
    """A window of a video.

    Args:
        packed: what the config's test pipeline makes of it: ``inputs`` ``(T, C, H, W)`` and
            ``data_samples``. T is the inputs and as much of the truth as the video has.
        num_inputs: frames that are seen.
        num_outputs: frames to predict.
    """
    packed: dict
    num_inputs: int
    num_outputs: int

    @property
    def num_true(self) -> int:
        """How much of the future the video has."""
        return len(self.packed['inputs']) - self.num_inputs


def read_window(path: str, cfg: Config, start: int, num_inputs: Optional[int] = None,
                num_outputs: Optional[int] = None, stride: Optional[int] = None) -> Window:
    """Read it. What is None is as in the config's test data, else 10, 20 and 1.

    Raises:
        FileNotFoundError: there is no such video.
        ValueError: it is none, or ends before the last input.
    """
    dataset = _TestData(cfg)
    frame_format = dataset.frame_format()
    num_inputs = num_inputs or dataset.number('num_inputs', 10)
    num_outputs = num_outputs or dataset.number('num_outputs', 20)
    stride = stride or dataset.number('stride', 1)
    length = count_frames(path)[0]
    indices = range(start, length, stride)[:num_inputs + num_outputs]
    if len(indices) < num_inputs:
        raise ValueError(f'{path} has {length} frames, but {num_inputs} inputs at stride {stride} '
                         f'from frame {start} on need {start + (num_inputs - 1) * stride + 1}: use '
                         'a smaller --num-inputs, --stride or --start, or a longer video')
    frames = read_frames(path, indices, frame_format)
    pipeline = Compose(inference_pipeline(cfg, 'frames are prepared as that does'))
    known = dict(num_outputs=num_outputs) if len(indices) == num_inputs else {}
    packed = pipeline(dict(imgs=list(frames), num_inputs=num_inputs, name=path, start=start,
                           modality='RGB', **known))
    return Window(packed, num_inputs, num_outputs)


class _TestData:
    """The options of a config's test data set: those given, then the defaults of its class."""

    def __init__(self, cfg: Config) -> None:
        self.given = (cfg.get('test_dataloader') or {}).get('dataset', {})
        while 'dataset' in self.given:  # wrapped, as in a RepeatDataset
            self.given = self.given['dataset']
        self.kind = DATASETS.get(self.given['type']) if 'type' in self.given else None

    def frame_format(self) -> FrameFormat:
        """What its frames look like."""
        size, colour = self._option('size', 64), self._option('colour', 'grey')
        if isinstance(colour, bool):  # of generated sequences
            colour = 'rgb' if colour else 'grey'
        return FrameFormat(size if isinstance(size, int) else tuple(size), colour,
                           self._option('fit', 'crop'))

    def number(self, name: str, otherwise: int) -> int:
        """An option that counts frames."""
        value = self._option(name, otherwise)
        return value if isinstance(value, int) else otherwise

    def _option(self, name: str, otherwise: Any) -> Any:
        if name in self.given:
            return self.given[name]
        for cls in getattr(self.kind, '__mro__', ()):
            parameter = inspect.signature(cls.__init__).parameters.get(name)
            if parameter is not None and parameter.default is not parameter.empty:
                return otherwise if parameter.default is None else parameter.default
        return otherwise
