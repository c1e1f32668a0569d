"""Decoding, cropping, resizing and flipping in one pass over the frames."""
from typing import List, Sequence

import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform

from ..registry import TRANSFORMS


@TRANSFORMS.register_module()
class DecordDecodeFused(BaseTransform):
    """Decodes the chosen frames and brings them to their place, touching each pixel once.

    The same frames as ``DecordDecode``, then ``geometry`` with ``lazy=True``, then ``Fuse``: one
    crop, one resize, one flip, whatever was asked for. It is faster, because decord's frames are
    not copied before they are resized, and the results are written side by side, where
    ``FormatShape`` would have to bring them together (docs/data_path.md has the figures)::

        dict(type='DecordDecodeFused', geometry=[
            dict(type='RandomResizedCrop'),
            dict(type='Resize', scale=(224, 224), keep_ratio=False),
            dict(type='Flip', flip_ratio=0.5)])

    Required keys: ``video_reader``, ``frame_inds``. Added: ``imgs``, uint8 ``(T, H, W, 3)``,
    ``original_shape``, ``img_shape``, and what the transforms of ``geometry`` add.

    Args:
        geometry: configs of MMAction2's transforms that take ``lazy``, a flip last. Default none:
            whole frames.

    Raises:
        ValueError: a transform of ``geometry`` cannot wait for the pixels.
    """

    def __init__(self, geometry: Sequence[dict] = ()) -> None:
        self.geometry: List[BaseTransform] = []
        for config in geometry:
            try:
                self.geometry.append(TRANSFORMS.build(dict(config, lazy=True)))
            except TypeError as error:
                raise ValueError(
                    f"geometry holds {config.get('type')}, which cannot be put off until decoding "
                    f'({error}): put it after DecordDecodeFused in the pipeline') from error

    def transform(self, results: dict) -> dict:
        results['frame_inds'] = np.reshape(results['frame_inds'], -1)
        decoded = results.pop('video_reader').get_batch(results['frame_inds'])
        frames = torch.utils.dlpack.from_dlpack(decoded.to_dlpack()).numpy()  # decord's own memory
        results['original_shape'] = results['img_shape'] = frames.shape[1:3]
        for transform in self.geometry:
            results = transform(results)
        lazy = results.pop('lazy', None)
        results['imgs'] = frames if lazy is None else _fuse(frames, results['img_shape'], lazy)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(geometry={self.geometry})'


def _fuse(frames: np.ndarray, shape: Sequence[int], lazy: dict) -> np.ndarray:
    """Crop, resize and flip ``(T, H, W, 3)`` as MMAction2's ``Fuse`` does."""
    height, width = shape
    left, top, right, bottom = lazy['crop_bbox'].round().astype(int)
    made = np.empty((len(frames), height, width, frames.shape[3]), np.uint8)
    for frame, out in zip(frames[:, top:bottom, left:right], made):
        mmcv.imresize(frame, (width, height), interpolation=lazy['interpolation'] or 'bilinear',
                      out=out)
        if lazy['flip']:
            mmcv.imflip_(out, lazy['flip_direction'])
    return made
