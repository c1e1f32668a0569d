"""Generated videos that cost as much to decode as filmed ones."""
from pathlib import Path
from typing import List, Tuple

import cv2
import numpy as np

from cbm_plugin.synthetic.video import write_mp4


def scene(rng: np.random.Generator, frames: int, width: int, height: int) -> np.ndarray:
    """A panned, textured background with sensor noise and a disc before it, uint8 (T, H, W, 3)."""
    field = (width + frames, height + 60)
    clouds = cv2.resize(rng.integers(0, 256, (24, 32, 3)).astype(np.float32), field,
                        interpolation=cv2.INTER_CUBIC)
    clouds += cv2.resize(rng.normal(0, 12, (120, 160, 3)).astype(np.float32), field)
    noise = rng.normal(0, 3, (height + 64, width + 64, 3)).astype(np.float32)
    made = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        top = int(30 + 29 * np.sin(t / 20))
        y, x = rng.integers(0, 64, 2)
        view = clouds[top:top + height, t:t + width] + noise[y:y + height, x:x + width]
        made[t] = np.clip(view, 0, 255)
        centre = (int(width * (.5 + .3 * np.cos(t / 9))), int(height * (.5 + .3 * np.sin(t / 7))))
        cv2.circle(made[t], centre, height // 9, (200, 50, 50), -1)
    return made


def make_videos(folder: Path, number: int, size: Tuple[int, int],
                lengths: Tuple[int, int]) -> List[Path]:
    """Write ``number`` mp4 files of ``size`` (width, height) and between ``lengths`` frames."""
    paths = []
    for i in range(number):
        rng = np.random.default_rng(i)
        path = folder / f'{i}.mp4'
        write_mp4(path, scene(rng, int(rng.integers(lengths[0], lengths[1] + 1)), *size), fps=30)
        paths.append(path)
    return paths
