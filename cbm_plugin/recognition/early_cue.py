"""The early cue as a data set: what a study of memory trains on, with nothing to download."""
from typing import Any, List, Sequence, Union

import numpy as np
from mmaction.datasets.base import BaseActionDataset

from ..engine.seeding import derive_seed, seed_sample
from ..registry import DATASETS
from ..synthetic.early_cue import CUE_LEVEL, early_cue_sequences
from .feature_store import FeatureStore, Header


@DATASETS.register_module()
class EarlyCue(BaseActionDataset):
    """Sequences of vectors whose class shows only in their first items; the others are noise.

    Made in memory when the data set is built, by
    :func:`~cbm_plugin.synthetic.early_cue.early_cue_sequences`; an item is a frame of ``size`` x
    ``size`` pixels, flattened. The pipeline is that of features::

        pipeline = [dict(type='SampleSequence'), dict(type='LoadFeatures'),
                    dict(type='PackActionInputs')]

    With ``cue_frames=num_frames`` every part of a sequence shows the class.

    Args:
        split: ``'train'``, ``'test'``, ...: each has draws of its own.
        num_sequences: of the split.
        pipeline: transforms, with ``LoadFeatures`` after the sampling.
        num_frames: items of a sequence. Default 24: six times the cue.
        cue_frames: items that show the class, from the first on. Default 4.
        size, num_classes, cue_level: see ``early_cue_sequences``. Default 8, 4 and its own.
        seed: of the sequences. Default 0.
        options: as MMAction2's ``BaseActionDataset``.

    Raises:
        ValueError: an option is out of its range.
    """

    def __init__(self, split: str, num_sequences: int, pipeline: Sequence[Any],
                 num_frames: int = 24, cue_frames: int = 4, size: int = 8, num_classes: int = 4,
                 cue_level: float = CUE_LEVEL, seed: int = 0, **options: Any) -> None:
        frames, labels = early_cue_sequences(
            num_sequences, num_frames, cue_frames, size, num_classes,
            derive_seed('early cue', seed, split), cue_level)
        self.split, self.labels = split, labels.tolist()
        self.store = _InMemory(f'early cue, {split}', frames.flatten(2).numpy())
        super().__init__('', list(pipeline), num_classes=num_classes, **options)

    def load_data_list(self) -> List[dict]:
        """Number, label and length of each sequence."""
        return [dict(video_id=f'{self.split} {number}', feature_key=str(number), label=label,
                     total_frames=self.store.header(str(number)).shape[0])
                for number, label in enumerate(self.labels)]

    def get_data_info(self, idx: int) -> dict:
        """The annotation of one sequence, and where its items are."""
        info = super().get_data_info(idx)
        info['feature_store'] = self.store
        return info

    def prepare_data(self, idx: int) -> Any:
        """One sample; its random numbers depend on (seed, epoch, index) alone."""
        seed_sample(idx)
        return self.pipeline(self.get_data_info(idx))


class _InMemory(FeatureStore):
    """Arrays of one shape, by their number: ``(V, T, C)``."""

    def __init__(self, path: str, arrays: np.ndarray) -> None:
        super().__init__(path)
        self.arrays = arrays

    def has(self, key: str) -> bool:
        """Whether there is an array of that number."""
        return key.isdigit() and int(key) < len(self.arrays)

    def header(self, key: str) -> Header:
        """Shape and type of an array."""
        return Header(self.arrays.shape[1:], self.arrays.dtype)

    def read(self, key: str, items: Union[slice, np.ndarray] = slice(None)) -> np.ndarray:
        """Some items of an array."""
        return self.arrays[int(key)][items]
