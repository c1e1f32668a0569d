"""What all data sets of frame sequences share."""
import zlib
from abc import abstractmethod
from typing import Any, List, Sequence, Tuple

import numpy as np
from mmengine.dataset import BaseDataset

from ...engine.sample_faults import SurvivingSamples
from ...engine.seeding import SampleIndex


class FrameSequenceDataset(SurvivingSamples, BaseDataset):
    """Sequences of frames of which the first are seen and the others are to be predicted.

    A data set has

    * ``load_data_list()``: a dict for each sequence, with its ``name`` (file or number, for
      messages), its first frame ``start`` where it is part of a video, and whatever
      :meth:`read_frames` needs; nothing is read yet;
    * :meth:`read_frames`: the frames of one of them, when it is drawn;
    * :attr:`frame_shape`: what they look like.

    The pipeline gets ``imgs`` (a list of uint8 arrays ``(H, W, C)``, C = 1 or 3, RGB),
    ``num_inputs``, ``num_outputs``, the entries of that dict, and what MMAction2's transforms of
    images ask for (``modality``, ``img_shape``, ``original_shape``). What becomes of a sequence
    that cannot be read is said in :class:`~cbm_plugin.engine.sample_faults.SurvivingSamples`.

    Args:
        num_inputs: frames that are seen.
        num_outputs: frames that follow, the truth of the prediction.
        pipeline: transforms.
        options: as MMEngine's ``BaseDataset``.

    Raises:
        ValueError: a number of frames is below 1.
        RuntimeError: (when drawn) twenty sequences in a row fail.
    """

    what = 'sequence'

    def __init__(self, num_inputs: int, num_outputs: int, pipeline: Sequence[Any] = (),
                 **options: Any) -> None:
        if num_inputs < 1 or num_outputs < 1:
            raise ValueError(f'num_inputs={num_inputs} and num_outputs={num_outputs} must both be '
                             'at least 1: a prediction sees frames, and is compared with frames')
        self.num_inputs, self.num_outputs = num_inputs, num_outputs
        # reading is the first transform, so that a file that fails is a sample that fails
        super().__init__(pipeline=[self._read, *pipeline], **options)

    @property
    def num_frames(self) -> int:
        """T, of every sequence."""
        return self.num_inputs + self.num_outputs

    @property
    @abstractmethod
    def frame_shape(self) -> Tuple[int, int, int]:
        """(H, W, C) of the frames that :meth:`read_frames` gives; C is 1 or 3 (RGB)."""

    @abstractmethod
    def read_frames(self, info: dict) -> List[np.ndarray]:
        """The ``num_frames`` frames of a sequence, uint8 ``(H, W, C)`` each.

        ``info`` is the sequence's dict of ``load_data_list`` and ``sample_idx``, its number (a
        :class:`~cbm_plugin.engine.seeding.SampleIndex` in training). Raise any exception whose
        message says why the sequence cannot be read; the caller names the sequence.
        """

    @property
    def source(self) -> str:
        """Where its sequences come from."""
        return self.ann_file or self.data_root or type(self).__name__

    def name_of(self, info: dict) -> str:
        """The name of the sequence."""
        return str(info['name'])

    def blacken(self, info: dict) -> None:
        """Let :meth:`read_frames` be passed over for black frames."""
        info['black'] = True

    def _read(self, info: dict) -> dict:
        if info.get('black'):
            frames = [np.zeros(self.frame_shape, np.uint8) for _ in range(self.num_frames)]
        else:
            # copies, since MMAction2's Flip works in place and a frame may lie in a cache
            frames = [np.array(frame) for frame in self.read_frames(info)]
        if len(frames) != self.num_frames:
            raise ValueError(f'{len(frames)} frames were read, but num_inputs={self.num_inputs} '
                             f'and num_outputs={self.num_outputs} need {self.num_frames}')
        shape = frames[0].shape[:2]
        info.update(imgs=frames, num_inputs=self.num_inputs, num_outputs=self.num_outputs,
                    modality='RGB', img_shape=shape, original_shape=shape)
        return info


class GeneratedSequenceDataset(FrameSequenceDataset):
    """Sequences that are drawn when they are asked for: nothing is stored.

    Sequence ``number`` of a split is a function of ``seed``, the split's name and the number, so
    that a smaller split is the beginning of a larger one. Of the split ``'train'`` it also depends
    on the run's seed and the epoch (which a
    :class:`~cbm_plugin.engine.seeding.SeededSampler` tells): no sequence is trained twice. All
    other splits are the same in every epoch and run.

    Args:
        split: its name.
        num_sequences: of an epoch.
        seed: not negative.
        options: see :class:`FrameSequenceDataset`.

    Raises:
        ValueError: ``num_sequences`` is below 1 or ``seed`` negative.
    """

    def __init__(self, split: str, num_sequences: int, seed: int = 0, **options: Any) -> None:
        if num_sequences < 1 or seed < 0:
            raise ValueError(f'num_sequences={num_sequences} and seed={seed}: at least 1 sequence '
                             'and a seed of 0 or more are needed')
        self.split, self.num_sequences, self.seed = split, num_sequences, seed
        super().__init__(**options)

    def load_data_list(self) -> List[dict]:
        """The numbers of the sequences."""
        return [dict(name=f'{self.split} {number}', number=number)
                for number in range(self.num_sequences)]

    def generator(self, info: dict) -> np.random.Generator:
        """All randomness of one sequence."""
        key = [zlib.crc32(self.split.encode()), info['number']]
        index = info['sample_idx']
        if self.split == 'train' and isinstance(index, SampleIndex):
            key += [index.seed, index.epoch]
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
