"""Videos as small frames, each video decoded once and kept."""
from typing import Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch.utils.dlpack import to_dlpack

from ..registry import TRANSFORMS
from ..video.frame_cache import FrameSource, frame_source
from ..video.reader import open_video
from ..video.windows import FrameFormat


@TRANSFORMS.register_module()
class SmallFramesInit(BaseTransform):
    """``DecordInit`` for training on small frames: what comes after it sees a video of that size.

    Where a small network sees small frames, decoding takes most of a training's time. Here all
    frames of a video are decoded when it is first drawn, made small and kept, and ``DecordDecode``
    (in its default mode) or ``DecordDecodeFused`` picks from them. A crop after it is one of the
    small frames: choose ``size`` so that a crop has the pixels that are needed. A video that is
    damaged somewhere is decoded at each draw, and fails as without this transform.

    Required keys: ``filename``. Added: ``video_reader``, ``total_frames``, ``avg_fps``.

    Args:
        size: ``(H, W)`` of the frames, or one number for both. All of a frame is kept, whatever
            its shape was, as by ``Resize(keep_ratio=False)``.
        cache: ``'memory'`` (default) of each process, up to 1 GiB; a folder, which all processes
            and runs share; None: decoded at each draw.

    Raises:
        ValueError: the size is none, or the folder cannot be written to; (when drawn) the video is
            damaged where it is read.
        FileNotFoundError: (when drawn) there is no such video.
    """

    def __init__(self, size: Union[int, Tuple[int, int]], cache: Optional[str] = 'memory') -> None:
        self.cache = cache
        self.source = frame_source(FrameFormat(size, colour='rgb', fit='stretch'), cache)

    def transform(self, results: dict) -> dict:
        """Look how long the video is; its frames are read when they are asked for."""
        video = open_video(results['filename'])
        results['total_frames'] = len(video)
        results['avg_fps'] = video.get_avg_fps()
        results['video_reader'] = _SmallVideo(self.source, results['filename'])
        return results

    def __repr__(self) -> str:
        size = self.source.frame_format.size
        return f'{type(self).__name__}(size={size}, cache={self.cache!r})'


class _SmallVideo:
    """What the decoding transforms ask of a reader."""

    def __init__(self, source: FrameSource, path: str) -> None:
        self.source, self.path = source, path

    def get_batch(self, indices: Sequence[int]) -> '_Frames':
        return _Frames(self.source.read(self.path, [int(index) for index in indices]))


class _Frames:
    """decord's batch of frames, as far as the decoding transforms know it."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames = frames

    def asnumpy(self) -> np.ndarray:
        return self.frames

    def to_dlpack(self) -> object:
        return to_dlpack(torch.from_numpy(self.frames))
