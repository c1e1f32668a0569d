"""Sequences whose frames are plain: every step has a brightness of its own."""
from typing import Dict, Optional

import numpy as np

from cbm_plugin.prediction.pictures.sequence import PicturedSequence


def plain(values: list, channels: int = 1, size: tuple = (8, 12)) -> np.ndarray:
    """A frame ``(C, H, W)`` of each value."""
    return np.stack([np.full((channels, *size), value, np.float32) for value in values])


def sequence(inputs: tuple = (0.1, 0.2), truth: Optional[tuple] = (0.3, 0.4, 0.5),
             predictions: Optional[Dict[str, tuple]] = None, name: str = 'clip 7',
             **frames: object) -> PicturedSequence:
    """Two inputs, three steps, and predictions that are too dark, right and too bright."""
    predictions = predictions or {'prediction': (0.2, 0.4, 0.7)}
    return PicturedSequence(
        plain(inputs, **frames), {key: plain(row, **frames) for key, row in predictions.items()},
        None if truth is None else plain(truth, **frames), name)
