"""Decoding, cropping, resizing and flipping in one pass over the frames."""
import math
from typing import List, Optional, Sequence

import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch import Tensor
from torch.utils.data import get_worker_info

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
    ``original_shape``, ``img_shape``, and what the transforms of ``geometry`` add. With
    ``input_format='NCHW'`` ``imgs`` is the tensor ``(T, 3, H, W)`` that the pack hands on, and
    ``input_shape`` is added: leave ``FormatShape`` out.

    Args:
        geometry: configs of MMAction2's transforms that take ``lazy``, a flip last. Default none:
            whole frames.
        input_format: ``'NCHW'`` also does what ``FormatShape`` would, for one clip and one crop; in
            a loader's worker the tensor then lies in shared memory from the start, and delivering
            it copies nothing. Default None: an array, for more transforms.

    Raises:
        ValueError: a transform of ``geometry`` cannot wait for the pixels, or the format is
            unknown.
    """

    def __init__(self, geometry: Sequence[dict] = (), input_format: Optional[str] = None) -> None:
        if input_format not in (None, 'NCHW'):
            raise ValueError(f"input_format is '{input_format}': use 'NCHW', or leave it out and "
                             'put FormatShape after DecordDecodeFused')
        self.input_format = input_format
        self.geometry: List[BaseTransform] = []
        for config in geometry:
            try:
                self.geometry.append(TRANSFORMS.build(dict(config, lazy=True)))
            except TypeError as error:
                raise ValueError(
                    f"geometry holds {config.get('type')}, which cannot be put off until decoding "
                    f'({error}): put it after DecordDecodeFused in the pipeline') from error

    def transform(self, results: dict) -> dict:
        """Decode ``frame_inds`` and apply the geometry to them."""
        results['frame_inds'] = np.reshape(results['frame_inds'], -1)
        decoded = results.pop('video_reader').get_batch(results['frame_inds'])
        frames = torch.utils.dlpack.from_dlpack(decoded.to_dlpack()).numpy()  # decord's own memory
        results['original_shape'] = results['img_shape'] = frames.shape[1:3]
        for transform in self.geometry:
            results = transform(results)
        lazy = results.pop('lazy', None)
        made = torch.from_numpy(frames)
        if lazy is not None:
            made = _empty(len(frames), *results['img_shape'], frames.shape[3])
            _fuse(frames, lazy, made.numpy())
        results['imgs'] = made.numpy()
        if self.input_format == 'NCHW':
            results['imgs'] = made.permute(0, 3, 1, 2)
            results['input_shape'] = tuple(results['imgs'].shape)
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(geometry={self.geometry}, '
                f'input_format={self.input_format!r})')


def _empty(*shape: int) -> Tensor:
    """A uint8 tensor; in a loader's worker in the memory that the main process will read."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    storage = torch.empty(0, dtype=torch.uint8).untyped_storage()._new_shared(math.prod(shape))
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)  # as default_collate does


def _fuse(frames: np.ndarray, lazy: dict, made: np.ndarray) -> None:
    """Crop, resize and flip ``(T, H, W, 3)`` into ``made`` as MMAction2's ``Fuse`` does."""
    height, width = made.shape[1:3]
    left, top, right, bottom = lazy['crop_bbox'].round().astype(int)
    for frame, out in zip(frames[:, top:bottom, left:right], made):
        mmcv.imresize(frame, (width, height), interpolation=lazy['interpolation'] or 'bilinear',
                      out=out)
        if lazy['flip']:
            mmcv.imflip_(out, lazy['flip_direction'])
