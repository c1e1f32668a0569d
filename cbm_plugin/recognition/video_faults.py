"""What becomes of videos that fail: they are counted, named, and stood in for by black ones."""
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np

from ..engine.sample_faults import SampleFaultHook
from ..files import write_whole
from ..registry import HOOKS
from ..synthetic.video import write_mp4

BLACK_FRAMES = 64
"""So many frames the black video has that stands in for a broken one."""


@HOOKS.register_module()
class VideoFaultHook(SampleFaultHook):
    """:class:`~cbm_plugin.engine.sample_faults.SampleFaultHook` that calls samples videos."""

    what = 'video'


def black_video() -> str:
    """A file of black frames, which stands in for a broken one in testing."""
    path = _stand_in('mp4')
    if not os.path.isfile(path):
        write_mp4(path, np.zeros((BLACK_FRAMES, 240, 320, 3), np.uint8))
    return path


def black_image() -> str:
    """A black png, which stands in for every raw frame of a broken video in testing."""
    path = _stand_in('png')
    if not os.path.isfile(path):
        black = np.zeros((240, 320, 3), np.uint8)
        write_whole(Path(path), lambda draft: cv2.imwrite(str(draft), black))
    return path


def _stand_in(suffix: str) -> str:
    user = getattr(os, 'getuid', int)()  # Windows has no user numbers
    return os.path.join(tempfile.gettempdir(), f'cbm_plugin_black_{user}.{suffix}')
