"""Two processes skip an iteration of which one has an overflow, wherever in it that is."""
from pathlib import Path
from typing import Optional

import numpy as np
import pytest

from ..faults import processes
from ..faults.features import TOO_LARGE, write_features

LAST_CLIP_ALONE = 2
"""So many frames at the end of a video no clip but its last has."""


def write_features_that_end_badly(folder: Path, seed: int, bad: Optional[int] = None) -> None:
    """As :func:`write_features`, but only the last frames of the video ``bad`` overflow."""
    path = write_features(folder, seed) / 'features.npz'
    with np.load(path) as file:
        arrays = dict(file)
    if bad is not None:
        arrays['features'][bad, -LAST_CLIP_ALONE:] = TOO_LARGE
    np.savez(path, **arrays)


def test_an_overflow_in_the_last_clip_alone_leaves_no_trace(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # after the last clip's forward pass the processes are about to average gradients
    monkeypatch.setattr(processes, 'write_features', write_features_that_end_badly)
    # a video whose last frames are drawn, in a last clip, in both epochs
    assert processes.skip(tmp_path, seed=0, video=2) == (True, 0)
