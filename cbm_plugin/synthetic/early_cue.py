"""A task of memory alone: the answer is shown in the first frames and asked for at the last."""
from typing import Tuple

import numpy as np
import torch

# A lit cell differs from noise by 4 standard deviations at each of its pixels, so that one frame
# of the cue names the class beyond doubt: what is hard is only to remember it.
NOISE_STD = 0.5
CUE_LEVEL = 2.0


def early_cue_sequences(num: int,
                        num_frames: int = 16,
                        cue_frames: int = 4,
                        size: int = 8,
                        classes: int = 4,
                        seed: int = 0,
                        cue_level: float = CUE_LEVEL) -> Tuple[torch.Tensor, torch.Tensor]:
    """Sequences whose class shows only in their first frames; the others are noise.

    Each frame is divided into a grid of cells (for 4 classes: its quadrants). In the first
    ``cue_frames`` frames the cell that stands for the class is lit. All else is Gaussian noise of
    one distribution, whatever the class, so that a model that names the class at the last frame
    has carried it through ``num_frames - cue_frames`` frames of noise.

    Args:
        num: Number of sequences, N. Classes are balanced: their counts differ by 1 at most.
        num_frames: Frames of a sequence, T.
        cue_frames: Frames that show the class, from the first on.
        size: Height and width of a frame in pixels, H = W.
        classes: Number of classes, at least 2. Chance is ``1 / classes``.
        seed: One seed gives the same sequences on every machine.
        cue_level: How much a lit cell is brighter, where the noise has a standard deviation of 0.5.
            Default 2: beyond doubt in a single frame. A weak cue in all frames (0.1) must be added
            up over time.

    Returns:
        The frames, float32 ``(N, T, 1, H, W)``, and the labels, int64 ``(N,)``, in random order.

    Raises:
        ValueError: If a count or the level is too small, the cue is longer than the sequence, or a
            frame is too small for one cell of a pixel for each class.
    """
    if num < 1 or classes < 2:
        raise ValueError(f'num={num} and classes={classes}: '
                         'at least 1 sequence and 2 classes are needed')
    if not 1 <= cue_frames <= num_frames:
        raise ValueError(f'cue_frames={cue_frames} is not within 1..num_frames={num_frames}: '
                         'show the cue in at least 1 frame and at most in all')
    if cue_level <= 0:
        raise ValueError(f'cue_level={cue_level} shows no cue: use a number above 0')
    grid = int(np.ceil(np.sqrt(classes)))
    if size < grid:
        raise ValueError(f'size={size} is too small for {classes} classes: '
                         f'a grid of {grid}x{grid} cells needs size >= {grid}')

    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(num) % classes)
    frames = rng.standard_normal((num, num_frames, 1, size, size), dtype=np.float32)
    frames *= NOISE_STD
    frames[:, :cue_frames, 0] += cue_level * _cells(classes, grid, size)[labels][:, None]
    return torch.from_numpy(frames), torch.from_numpy(labels)


def _cells(classes: int, grid: int, size: int) -> np.ndarray:
    """The cell of each class as a mask, float32 ``(classes, size, size)``."""
    borders = np.linspace(0, size, grid + 1).round().astype(int)
    masks = np.zeros((classes, size, size), np.float32)
    for label in range(classes):
        row, column = divmod(label, grid)
        masks[label, borders[row]:borders[row + 1], borders[column]:borders[column + 1]] = 1
    return masks
