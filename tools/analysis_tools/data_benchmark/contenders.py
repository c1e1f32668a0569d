"""The ways from a video file to its frames that are compared, each as a data set for a loader."""
import random
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import decord
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.registry import init_default_scope
from torch.utils.data import Dataset

SAMPLERS = {
    'authors': dict(type='SampleFixedStrideClips', num_clips=7, clip_len=10, overlap_rate=0.25),
    'random': dict(type='SampleOverlapClips', num_clips=7, min_len=8, max_len=12, short='whole'),
}
"""The authors' fixed stride over the whole video, and ours, on neighbouring frames."""

CROP = (224, 224)


def geometry(crop: Tuple[int, int]) -> List[dict]:
    """What MMAction2's recipes do to the pixels in training."""
    return [dict(type='RandomResizedCrop'), dict(type='Resize', scale=crop, keep_ratio=False),
            dict(type='Flip', flip_ratio=0.5)]


def pipeline(way: str, sampler: str, crop: Tuple[int, int]) -> List[Tuple[str, BaseTransform]]:
    """The named transforms of one way: ``'fused'``, ``'separate'`` or ``'each clip'``."""
    steps: List[dict] = [dict(type='DecordInit'), SAMPLERS[sampler]]
    if way == 'separate':
        steps += [dict(type='DecordDecode'), *geometry(crop),
                  dict(type='FormatShape', input_format='NCHW')]
    else:
        steps.append(dict(type='DecordDecodeFused', geometry=geometry(crop), input_format='NCHW'))
    steps.append(dict(type='PackActionInputs', algorithm_keys=('clip_plan',)))
    init_default_scope('mmaction')
    built = [TRANSFORMS.build(step) for step in steps]
    return [(type(step).__name__, step) for step in built]


def fresh(path: Path, seed: int) -> Dict[str, Any]:
    """What a data set hands to its pipeline, with the randomness of this video set."""
    np.random.seed(seed)
    random.seed(seed)
    return dict(filename=str(path), label=0, start_index=0, modality='RGB')


class Packed(Dataset):
    """Videos to packed clips, through one of our pipelines."""

    def __init__(self, paths: Sequence[Path], way: str, sampler: str,
                 crop: Tuple[int, int] = CROP) -> None:
        self.paths, self.steps = paths, pipeline(way, sampler, crop)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict:
        results = fresh(self.paths[index], index)
        for _, step in self.steps:
            results = step(results)
        return results


class EachClipAlone(Packed):
    """The same clips, each decoded by itself, shared frames again; the file is opened once."""

    def __getitem__(self, index: int) -> List[dict]:
        results = fresh(self.paths[index], index)
        for _, step in self.steps[:2]:
            results = step(results)
        plan, frames, packed = results['clip_plan'], results['frame_inds'], []
        for start, clip in zip(plan.offsets, plan.clips):
            made = dict(results, frame_inds=frames[start:start + clip.length])
            for _, step in self.steps[2:]:
                made = step(made)
            packed.append(made)
        return packed


class DecordAlone(Dataset):
    """The same frames, decoded in order by decord and dropped: nothing is faster with decord."""

    def __init__(self, paths: Sequence[Path], sampler: str) -> None:
        self.paths = paths
        self.frames = [plan_of(path, i, sampler)['frame_inds'] for i, path in enumerate(paths)]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> int:
        reader = decord.VideoReader(str(self.paths[index]), num_threads=1)
        return len(reader.get_batch(self.frames[index]).asnumpy())


def plan_of(path: Path, seed: int, sampler: str) -> dict:
    """``frame_inds`` and ``clip_plan`` that every way draws for this video."""
    results = fresh(path, seed)
    for _, step in pipeline('fused', sampler, CROP)[:2]:
        results = step(results)
    results.pop('video_reader')
    return results


def frames_wanted(paths: Sequence[Path], sampler: str) -> Tuple[int, int]:
    """Frames of all clips, and of their union: what is decoded clip by clip, and once."""
    plans = [plan_of(path, i, sampler)['clip_plan'] for i, path in enumerate(paths)]
    return (sum(clip.length for plan in plans for clip in plan.clips),
            sum(len(plan.positions) for plan in plans))


def way_of(paths: Sequence[Path], way: str, sampler: str, crop: Tuple[int, int]) -> Dataset:
    """The data set of one way."""
    if way == 'decord':
        return DecordAlone(paths, sampler)
    return (EachClipAlone if way == 'each clip' else Packed)(paths, way, sampler, crop)
