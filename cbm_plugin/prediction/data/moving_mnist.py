"""Moving MNIST, the field's standard of frame prediction, drawn from the digits as it is needed."""
import os
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from ...registry import DATASETS
from .dataset import GeneratedSequenceDataset
from .idx_file import read_idx

STEP_LENGTH = 0.1
"""What a digit moves in a frame, as a share of the way from wall to wall."""

NUM_SEQUENCES = dict(train=10_000, val=1_000, test=10_000)


@DATASETS.register_module()
class MovingMNIST(GeneratedSequenceDataset):
    """Handwritten digits that move in a square and bounce off its walls (Srivastava et al. 2015).

    "Unsupervised Learning of Video Representations using LSTMs", section 4.1.1, as the published
    generators do it: digits of 28x28 are drawn at random from MNIST; see :func:`digit_corners` for
    how they move and :func:`draw_digits` for where they overlap. Two digits, 64x64 pixels, 10
    frames seen and 10 to predict are the standard. A digit shows no edge where it leaves the
    frame, because it never does.

    * ``'train'``: of all train digits but the last ``num_held_out``; drawn anew in every epoch.
    * ``'val'``: of these last train digits, so that no test digit is used to choose a model.
    * ``'test'``: of the test digits. They are drawn by the protocol, but they are not the 10,000
      published sequences: for those (which others' results are of) give ``test_file``.

    Args:
        data_root: folder of MNIST's idx files.
        split: ``'train'``, ``'val'`` or ``'test'``.
        num_inputs, num_outputs: frames seen and to predict. Default 10 and 10, the standard.
        num_digits: Default 2, the standard.
        size: height and width in pixels. Default 64, the standard.
        num_sequences: of an epoch. Default None: 10,000 in training and testing, the standard, and
            1,000 in validation.
        seed: Default 0.
        num_held_out: train digits left for validation. Default 5,000 of 60,000; published models
            are trained on all (0).
        train_images, test_images: files in ``data_root``. Default: the published names.
        test_file: the published ``mnist_test_seq.npy`` (uint8 ``(20, 10000, 64, 64)``), read
            instead of drawing the test sequences, the first ``num_sequences`` of them; relative to
            ``data_root``. Default None.
        pipeline, options: see :class:`~cbm_plugin.prediction.data.dataset.FrameSequenceDataset`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: an option is out of its range, or a file is not what it should be.
    """

    def __init__(self, data_root: str, split: str, num_inputs: int = 10, num_outputs: int = 10,
                 num_digits: int = 2, size: int = 64, num_sequences: Optional[int] = None,
                 seed: int = 0, num_held_out: int = 5_000,
                 train_images: str = 'train-images-idx3-ubyte.gz',
                 test_images: str = 't10k-images-idx3-ubyte.gz', test_file: Optional[str] = None,
                 pipeline: Sequence[Any] = (), **options: Any) -> None:
        if split not in NUM_SEQUENCES:
            raise ValueError(f"split is '{split}': use one of {sorted(NUM_SEQUENCES)}")
        if num_digits < 1:
            raise ValueError(f'num_digits is {num_digits}, but at least 1 digit has to move')
        if num_held_out < 0 or (split == 'val' and num_held_out < 1):
            raise ValueError(f"num_held_out is {num_held_out}, but must not be negative, and split "
                             "'val' needs at least 1 train digit held out")
        if test_file is not None and split != 'test':
            raise ValueError(f"test_file={test_file!r} holds the published test sequences, but "
                             f"split is '{split}': leave it out, or set split='test'")
        self.num_digits, self.size, self.num_held_out = num_digits, size, num_held_out
        self.images = os.path.join(data_root, test_images if split == 'test' else train_images)
        self.test_file = None if test_file is None else os.path.join(data_root, test_file)
        if num_sequences is None:
            num_sequences = NUM_SEQUENCES[split]
        super().__init__(
            split=split, num_sequences=num_sequences, seed=seed, num_inputs=num_inputs,
            num_outputs=num_outputs, pipeline=pipeline, data_root=data_root, **options)

    @property
    def source(self) -> str:
        """The file of the sequences, or of the digits."""
        return self.test_file or self.images

    @property
    def frame_shape(self) -> Tuple[int, int, int]:
        """Of grey frames."""
        return self.size, self.size, 1

    def load_data_list(self) -> List[dict]:
        """Read the digits, or look at the file of sequences."""
        if self.test_file is not None:
            self._check_sequences(open_sequences(self.test_file))
        else:
            self.digits = self._own_digits(read_idx(self.images))
        return super().load_data_list()

    def read_frames(self, info: dict) -> List[np.ndarray]:
        """Draw them, or read those of the file."""
        if self.test_file is not None:
            # opened each time: an open map would be copied into memory with the data set
            frames = open_sequences(self.test_file)[:self.num_frames, info['number']]
        else:
            rng = self.generator(info)
            digits = self.digits[rng.integers(len(self.digits), size=self.num_digits)]
            corners = digit_corners(rng, self.num_digits, self.num_frames,
                                    self.size - digits.shape[1])
            frames = draw_digits(digits, corners, self.size)
        return list(frames[..., None])

    def _own_digits(self, images: np.ndarray) -> np.ndarray:
        number, height, width = images.shape
        if height != width or height > self.size:
            raise ValueError(f'{self.images} holds images of {height} x {width} pixels, which do '
                             f'not fit into frames of size={self.size}: they must be squares and '
                             'not larger')
        if self.split == 'test':
            return images
        if self.num_held_out >= number:
            raise ValueError(f'num_held_out={self.num_held_out} leaves none of the {number} digits '
                             f'of {self.images} to train on: hold out fewer')
        parts = np.split(images, [number - self.num_held_out])
        return parts[0] if self.split == 'train' else parts[1]

    def _check_sequences(self, sequences: np.ndarray) -> None:
        frames, number, height, width = sequences.shape
        if (height, width) != (self.size, self.size) or self.num_frames > frames:
            raise ValueError(f'{self.test_file} holds sequences of {frames} frames of {height} x '
                             f'{width} pixels, but num_inputs + num_outputs={self.num_frames} '
                             f'frames of size={self.size} are asked for')
        if self.num_sequences > number:
            raise ValueError(f'{self.test_file} holds {number} sequences, but num_sequences='
                             f'{self.num_sequences}: set it to {number} or less')


def digit_corners(rng: np.random.Generator, num_digits: int, num_frames: int,
                  room: int) -> np.ndarray:
    """Where the digits are: from a random place, straight on, back from the walls.

    The place of a digit's upper left corner lies in the unit square, from wall to wall. It starts
    uniformly in it and moves by :data:`STEP_LENGTH` in a uniformly random direction before each
    frame, also before the first. Where it reaches or would pass a wall it stays at the wall for
    that frame, and is reflected. Places are scaled to ``room`` and rounded down to whole pixels.

    Args:
        rng: all randomness.
        num_digits, num_frames: D and T.
        room: pixels that a digit can move, from wall to wall.

    Returns:
        int64 ``(T, D, 2)``: row and column.
    """
    place = rng.random((num_digits, 2))
    angle = 2 * np.pi * rng.random(num_digits)
    step = STEP_LENGTH * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    places = np.empty((num_frames, num_digits, 2))
    for t in range(num_frames):
        place = place + step
        step = np.where((place <= 0) | (place >= 1), -step, step)
        places[t] = place = place.clip(0, 1)
    return (room * places).astype(np.int64)


def draw_digits(digits: np.ndarray, corners: np.ndarray, size: int) -> np.ndarray:
    """The frames: black, and the brightest of all digits where they overlap.

    Args:
        digits: uint8 ``(D, S, S)``.
        corners: ``(T, D, 2)``, see :func:`digit_corners`.
        size: height and width of the frames.

    Returns:
        uint8 ``(T, size, size)``.
    """
    frames = np.zeros((len(corners), size, size), np.uint8)
    side = digits.shape[1]
    for frame, places in zip(frames, corners.tolist()):
        for digit, (top, left) in zip(digits, places):
            below = frame[top:top + side, left:left + side]
            np.maximum(below, digit, out=below)
    return frames


def open_sequences(path: str) -> np.ndarray:
    """A file of sequences such as ``mnist_test_seq.npy``, uint8 ``(T, N, H, W)``, not yet read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such array.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the file of sequences {path} does not exist: set test_file to '
                                'mnist_test_seq.npy, or leave it out to draw the test sequences')
    try:
        sequences = np.load(path, mmap_mode='r', allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f'{path} cannot be read as an array of numbers ({error}): download '
                         'mnist_test_seq.npy again') from None
    found = f'{sequences.dtype} {sequences.shape}' if hasattr(sequences, 'dtype') else 'an archive'
    if not hasattr(sequences, 'dtype') or sequences.dtype != np.uint8 or sequences.ndim != 4:
        raise ValueError(f'{path} holds {found}, but should hold uint8 (frames, sequences, height, '
                         'width), as mnist_test_seq.npy: uint8 (20, 10000, 64, 64)')
    return sequences
