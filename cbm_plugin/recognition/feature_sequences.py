"""Sequences of features that were extracted before, in place of videos."""
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
from mmaction.datasets.base import BaseActionDataset
from mmcv.transforms import BaseTransform
from mmengine.model import BaseModule
from torch import Tensor

from ..engine.sample_faults import some_names
from ..engine.seeding import seed_sample
from ..registry import DATASETS, MODELS, TRANSFORMS
from .feature_annotation import (
    Entry,
    entries_of_list,
    entries_of_npz,
    is_table,
    names_in,
    some_of_each_class,
)
from .feature_store import FeatureStore, open_store


@DATASETS.register_module()
class FeatureSequences(BaseActionDataset):
    """One array of features per video: ``(T, C)`` vectors or ``(T, C, H, W)`` maps.

    T may differ from video to video. The pipeline samples items as it samples frames of a video::

        pipeline = [
            dict(type='SampleOverlapClips', num_clips=3, min_len=5, max_len=10),
            dict(type='LoadFeatures'),
            dict(type='PackActionInputs', algorithm_keys=('clip_plan',))]

    and the model has ``backbone=dict(type='FeatureIdentity')`` and a ``SequencePreprocessor``
    without ``mean`` and ``std``. ``data_prefix=dict(features=PATH)`` is one of

    - a folder of ``NAME.npy``;
    - an npz with an array ``NAME`` per video;
    - an npz with ``features (V, T, C)`` or ``(V, T, C, H, W)``, and ``length (V,)`` where rows are
      padded.

    The annotation is a list file of lines ``name label`` (a list of videos serves: a suffix that
    no array has is left out), or stands in the npz: ``label (V,)``, ``video (V,)`` names (with
    ``features`` optional: ``'0'``, ``'1'``, ...), and, where wanted, ``split (V,)`` names and
    ``classes (K,)`` names.

    Args:
        ann_file: the list file. Default '': the annotation stands in the npz.
        pipeline: transforms, with :class:`LoadFeatures` after the sampling.
        data_prefix: ``dict(features=PATH)``, seen from ``data_root``.
        split: only the videos of this split of the npz. Default None: all.
        num_classes: labels must lie in ``0..num_classes - 1``. Default None: as many as
            ``classes`` has, else not checked.
        per_class: only so many videos of each class, drawn by ``subset_seed``. Default None: all.
        subset_seed: default 0.
        check: ``'header'`` (default) checks each array's shape; ``'values'`` also reads each
            array and looks for NaN and infinity, which are otherwise met when drawn.
        options: of MMAction2's ``BaseActionDataset``; ``metainfo=dict(classes=...)`` allows names
            as labels in the list file.

    Raises:
        FileNotFoundError: the list, the npz or the folder does not exist.
        ValueError: an array is missing, has another rank or other channels than the rest, a label
            is unknown, a name leads out of the folder, or nothing is left.
    """

    def __init__(self, ann_file: str = '', pipeline: Sequence[Any] = (),
                 data_prefix: Optional[dict] = None, split: Optional[str] = None,
                 num_classes: Optional[int] = None, per_class: Optional[int] = None,
                 subset_seed: int = 0, check: str = 'header', **options: Any) -> None:
        if check not in ('header', 'values'):
            raise ValueError(f"check is '{check}': use 'header' or 'values'")
        if per_class is not None and per_class < 1:
            raise ValueError(f'per_class is {per_class}, but must be at least 1, or None')
        if not (data_prefix or {}).get('features'):
            raise ValueError('FeatureSequences needs data_prefix=dict(features=PATH): a folder of '
                             'npy files or an npz')
        if split is not None and ann_file:
            raise ValueError(f"split='{split}' chooses among the videos of an npz, but ann_file="
                             f"'{ann_file}' is given: use one list file per split")
        self.split, self.check = split, check
        self.per_class, self.subset_seed = per_class, subset_seed
        self.store: FeatureStore
        super().__init__(ann_file, list(pipeline), data_prefix=data_prefix,
                         num_classes=num_classes, **options)

    def load_data_list(self) -> List[dict]:
        """Read and check the annotation, and the header of every array."""
        path = self.data_prefix['features']
        if self.ann_file:
            entries = entries_of_list(self.ann_file)
        else:
            entries, classes = entries_of_npz(path, self.split)
            if classes is not None:
                self._metainfo['classes'] = classes
        self.store = open_store(path, names_in(path) if is_table(path) else None)
        videos = [dict(video_id=entry.name, label=self._label(entry)) for entry in entries]
        if self.per_class is not None:
            videos = some_of_each_class(videos, self.per_class, self.subset_seed)
        if not videos:
            raise ValueError(f'{self.ann_file or path} has no videos'
                             + (f" of split '{self.split}'" if self.split else ''))
        self._find_arrays(videos)
        return videos

    def _label(self, entry: Entry) -> int:
        classes = self._metainfo.get('classes')
        if classes is not None and entry.label in classes:
            return list(classes).index(entry.label)
        number = self.num_classes if self.num_classes is not None else len(classes or ())
        known = f'0..{number - 1}' if number else 'whole numbers from 0 on'
        known += f', or one of {some_names(list(classes))}' if classes else ''
        digits = entry.label.lstrip('-').isdigit()
        if not digits or int(entry.label) < 0 or 0 < number <= int(entry.label):
            raise ValueError(f"{entry.place}: the label '{entry.label}' of {entry.name} is "
                             f'unknown, known are {known}: correct it, set num_classes, or name '
                             'the classes with metainfo=dict(classes=NAMES)')
        return int(entry.label)

    def _find_arrays(self, videos: List[dict]) -> None:
        keys = [self.store.find(video['video_id']) for video in videos]
        missing = [video['video_id'] for video, key in zip(videos, keys) if key is None]
        if missing:
            raise ValueError(f'{self.store.path} lacks the features of {len(missing)} of '
                             f'{len(videos)} videos: {some_names(missing)}. Extract them, or take '
                             'them off the list')
        first: Optional[Tuple[int, ...]] = None
        for video, key in zip(videos, keys):
            length, *item = self._shape(str(key), video['video_id'])
            video['feature_key'], video['total_frames'] = key, length
            first = first or tuple(item)
            if tuple(item) != first:
                raise ValueError(
                    f"{self.store.path}: an item of {video['video_id']} has the shape "
                    f"{tuple(item)}, one of {videos[0]['video_id']} {first}: extract all with one "
                    'backbone at one frame size')

    def _shape(self, key: str, name: str) -> Tuple[int, ...]:
        shape, dtype = self.store.header(key)
        if len(shape) not in (2, 4) or 0 in shape:
            raise ValueError(f'{self.store.path}: {name} has the shape {shape}, but must be (T, C) '
                             'or (T, C, H, W), none of them 0')
        if dtype.kind not in 'fiu':
            raise ValueError(f'{self.store.path}: {name} has the type {dtype}, but must hold '
                             'numbers (object arrays are pickles, which are never loaded): save '
                             'it as float16 or float32')
        if self.check == 'values':
            check_finite(self.store.read(key), np.arange(shape[0]), name, self.store.path)
        return shape

    def get_data_info(self, idx: int) -> dict:
        """The annotation of one video, and where its features are."""
        info = super().get_data_info(idx)
        info['feature_store'] = self.store
        return info

    def prepare_data(self, idx: int) -> Any:
        """One sample; its random numbers depend on (seed, epoch, index) alone."""
        seed_sample(idx)
        return self.pipeline(self.get_data_info(idx))


@TRANSFORMS.register_module()
class LoadFeatures(BaseTransform):
    """Picks the sampled items of a video's features: what decoding is to a video.

    Required keys: ``frame_inds``, and what :class:`FeatureSequences` gives. Added: ``imgs``, float
    ``(T, C, H, W)`` (float16 stays; vectors have H = W = 1), ``img_shape``.

    Raises:
        ValueError: an item has a NaN or an infinity.
    """

    def transform(self, results: dict) -> dict:
        """Add the features of ``frame_inds``, checked to be finite."""
        store, items = results['feature_store'], np.asarray(results['frame_inds'])
        picked = store.read(results['feature_key'], items)
        check_finite(picked, items, results['video_id'], store.path)
        if picked.dtype != np.float16:
            picked = picked.astype(np.float32)
        if picked.ndim == 2:
            picked = picked[:, :, None, None]
        results['imgs'] = picked
        results['img_shape'] = picked.shape[2:]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@MODELS.register_module()
class FeatureIdentity(BaseModule):
    """The backbone of a model whose inputs are features: it hands them on.

    Maps of 1x1 become vectors, for vector layers (``kernel_size=None`` in a CBM).

    Args:
        in_channels: C of the features, checked. Default None: any.
        pool: average maps to vectors. Default False.
    """

    def __init__(self, in_channels: Optional[int] = None, pool: bool = False,
                 init_cfg: Optional[dict] = None) -> None:
        super().__init__(init_cfg)
        self.in_channels, self.pool = in_channels, pool

    def forward(self, features: Tensor) -> Tensor:
        """``(M, C, H, W)`` -> the same, or ``(M, C)``.

        Raises:
            ValueError: C is not ``in_channels``.
        """
        if self.in_channels not in (None, features.shape[1]):
            raise ValueError(f'the features have {features.shape[1]} channels, but backbone.'
                             f'in_channels is {self.in_channels}: set it, and the in_channels of '
                             'neck or cls_head, to what was extracted')
        if self.pool or features.shape[2:] == (1, 1):
            return features.mean(dim=(-2, -1))
        return features


def check_finite(picked: np.ndarray, items: np.ndarray, name: str, path: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        ValueError: names file, video, item and value.
    """
    if not np.isfinite(picked).all():
        row = int(np.argmax(~np.isfinite(picked).reshape(len(picked), -1).all(1)))
        value = picked[row][~np.isfinite(picked[row])][0]
        raise ValueError(f'{path}: item {int(items[row])} of {name} contains {value}: extract the '
                         'features of that video again (in float32, where float16 overflows), or '
                         'take it off the list')
