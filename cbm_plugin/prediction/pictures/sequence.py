"""One sequence as pictures need it: what was seen, what came, what was predicted."""
from typing import Any, Dict, Mapping, Optional, Tuple, Union

import numpy as np
from torch import Tensor

Frames = Union[np.ndarray, Tensor]


class PicturedSequence:
    """Frames of one sequence, checked, as NumPy arrays.

    Args:
        inputs: ``(n, C, H, W)`` in [0, 1], C 1 or 3 (red first): what the models have seen.
        predictions: of each model, by its name, ``(P, C, H, W)``: the steps after the inputs.
        truth: what came, from the same step on. It may end before the predictions. Default None:
            unknown.
        name: for the title. Default: no title.

    Raises:
        ValueError: nothing was seen or predicted; frames are not floating, or differ in size.
    """

    def __init__(self, inputs: Frames, predictions: Mapping[str, Frames],
                 truth: Optional[Frames] = None, name: str = '') -> None:
        self.name = name
        self.inputs = _checked('inputs', inputs)
        shape = self.inputs.shape[1:]
        self.predictions: Dict[str, np.ndarray] = {
            label: _checked(f"predictions of '{label}'", frames, shape)
            for label, frames in predictions.items()}
        self.truth = None if truth is None else _checked('truth', truth, shape)
        if not len(self.inputs) or not self.num_outputs:
            raise ValueError(f'a picture needs an input and a prediction, got {len(self.inputs)} '
                             f'inputs and {self.num_outputs} predicted steps')

    @property
    def num_outputs(self) -> int:
        """Steps after the inputs, of the model that predicts the most."""
        return max(map(len, self.predictions.values()), default=0)

    @property
    def frame_shape(self) -> Tuple[int, ...]:
        """(C, H, W)."""
        return self.inputs.shape[1:]

    @classmethod
    def from_sample(cls, sample: Any, label: str = 'prediction') -> 'PicturedSequence':
        """Of a sample that a model handed out.

        Args:
            sample: with ``input_frames``, ``pred_frames`` and, where known, ``target_frames``.
            label: of the predictions.

        Raises:
            ValueError: it has no inputs or no predictions.
        """
        missing = [key for key in ('input_frames', 'pred_frames') if key not in sample]
        if missing:
            raise ValueError(f'the model hands out samples without {" and ".join(missing)}: '
                             'pictures need a model that does as VideoPredictor')
        return cls(sample.input_frames, {label: sample.pred_frames}, sample.get('target_frames'),
                   str(sample.metainfo.get('name', '')))


def frame_of(frames: Optional[np.ndarray], step: int) -> Optional[np.ndarray]:
    """``frames[step]``; None where there is none."""
    return frames[step] if frames is not None and step < len(frames) else None


def _checked(what: str, frames: Frames, like: Optional[Tuple[int, ...]] = None) -> np.ndarray:
    if isinstance(frames, Tensor):
        frames = frames.detach().float().cpu().numpy()
    if frames.ndim != 4 or frames.shape[1] not in (1, 3) or 0 in frames.shape[1:]:
        raise ValueError(f'{what} must be (steps, C, H, W) with C 1 or 3, got {frames.shape}')
    if not np.issubdtype(frames.dtype, np.floating):
        raise ValueError(f'{what} are {frames.dtype}: give floating numbers in [0, 1]')
    if like is not None and frames.shape[1:] != like:
        raise ValueError(f'{what} have (C, H, W) = {frames.shape[1:]}, the inputs {like}: all '
                         'frames of a picture must have the same')
    return frames
