"""The embedded default of frame prediction: nothing to download, nothing to store."""
from typing import Any, Dict, List, Tuple

import numpy as np

from ...registry import DATASETS
from ...synthetic.moving_shapes import check_moving_shapes, render_moving_shapes
from .dataset import GeneratedSequenceDataset


@DATASETS.register_module()
class MovingShapes(GeneratedSequenceDataset):
    """The embedded default: shapes that move, turn, bounce and hide each other, drawn when needed.

    See :mod:`cbm_plugin.synthetic.moving_shapes`: the future follows from the inputs.

    Args:
        split: ``'train'`` (drawn anew in every epoch), or any other name: sequences of its own,
            always the same.
        num_sequences: of an epoch.
        num_inputs, num_outputs: frames seen and to predict. Default 10 and 10.
        size, num_shapes, colour, texture: see
            :func:`~cbm_plugin.synthetic.moving_shapes.render_moving_shapes`.
        options: ``seed`` and others, see
            :class:`~cbm_plugin.prediction.data.dataset.GeneratedSequenceDataset`.

    Raises:
        ValueError: an option is out of its range.
    """

    def __init__(self, split: str, num_sequences: int, num_inputs: int = 10, num_outputs: int = 10,
                 size: int = 64, num_shapes: int = 2, colour: bool = False, texture: float = 10.0,
                 **options: Any) -> None:
        check_moving_shapes(num_inputs + num_outputs, size, num_shapes, texture)
        self.look: Dict[str, Any] = dict(size=size, num_shapes=num_shapes, colour=colour,
                                         texture=texture)
        super().__init__(split=split, num_sequences=num_sequences, num_inputs=num_inputs,
                         num_outputs=num_outputs, **options)

    @property
    def frame_shape(self) -> Tuple[int, int, int]:
        """Of grey frames, or of RGB."""
        return self.look['size'], self.look['size'], 3 if self.look['colour'] else 1

    def read_frames(self, info: dict) -> List[np.ndarray]:
        """Draw them."""
        return list(render_moving_shapes(self.generator(info), self.num_frames, **self.look))
