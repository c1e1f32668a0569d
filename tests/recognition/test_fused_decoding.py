"""Decoding and geometry in one pass, against MMAction2's own transforms one after another."""
import random
from pathlib import Path
from typing import List

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import cbm_plugin.recognition  # noqa: F401  (registers everything)
from cbm_plugin.recognition import DecordDecodeFused
from cbm_plugin.synthetic.video import write_mp4

GEOMETRY = [
    dict(type='RandomResizedCrop', area_range=(0.3, 0.9)),
    dict(type='Resize', scale=(48, 40), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
]
SAMPLE = dict(type='SampleOverlapClips', num_clips=3, min_len=4, max_len=7)


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('videos') / 'one.mp4'
    shades = np.random.default_rng(0).integers(0, 256, (30, 8, 10, 3), dtype=np.uint8)
    write_mp4(path, shades.repeat(10, axis=1).repeat(10, axis=2))
    return path


def run(video: Path, decoding: List[dict], seed: int) -> dict:
    init_default_scope('mmaction')
    np.random.seed(seed)
    random.seed(seed)
    pipeline = Compose([TRANSFORMS.build(step) for step in
                        (dict(type='DecordInit'), SAMPLE, *decoding,
                         dict(type='FormatShape', input_format='NCHW'))])
    return pipeline(dict(filename=str(video), start_index=0, modality='RGB', label=0))


@pytest.mark.parametrize('seed', range(6))
def test_one_pass_gives_the_pixels_of_the_transforms_one_by_one(video: Path, seed: int) -> None:
    fused = run(video, [dict(type='DecordDecodeFused', geometry=GEOMETRY)], seed)
    stepwise = run(video, [dict(type='DecordDecode'), *GEOMETRY], seed)
    assert np.array_equal(fused['imgs'], stepwise['imgs'])
    for key in ('img_shape', 'original_shape', 'flip', 'input_shape'):
        assert tuple(np.ravel(fused[key])) == tuple(np.ravel(stepwise[key])), key


def test_seeds_of_this_test_flip_some_videos_and_not_others(video: Path) -> None:
    flips = {bool(run(video, [dict(type='DecordDecodeFused', geometry=GEOMETRY)], seed)['flip'])
             for seed in range(6)}
    assert flips == {True, False}


def test_without_geometry_the_frames_are_decords(video: Path) -> None:
    fused = run(video, [dict(type='DecordDecodeFused')], 0)
    assert np.array_equal(fused['imgs'], run(video, [dict(type='DecordDecode')], 0)['imgs'])
    assert fused['imgs'].shape[2:] == (80, 100)


def test_what_needs_the_pixels_is_refused_with_the_way_out() -> None:
    init_default_scope('mmaction')
    with pytest.raises(ValueError, match='ColorJitter.*after DecordDecodeFused'):
        DecordDecodeFused([dict(type='ColorJitter')])


def test_the_finished_tensor_is_what_formatshape_makes_in_a_worker_too(video: Path) -> None:
    decode = dict(type='DecordDecodeFused', geometry=GEOMETRY)
    expected = run(video, [decode], 3)
    init_default_scope('mmaction')
    here = Finished(video)[3]
    there = list(DataLoader(Finished(video), batch_size=None, num_workers=1))[3]
    assert np.array_equal(here.numpy(), expected['imgs'])
    assert np.array_equal(there.numpy(), expected['imgs']) and there.is_shared()


class Finished(Dataset):
    """Finished tensors of one video, by seed."""

    def __init__(self, video: Path) -> None:
        self.steps = [TRANSFORMS.build(step) for step in (
            dict(type='DecordInit'), SAMPLE,
            dict(type='DecordDecodeFused', geometry=GEOMETRY, input_format='NCHW'))]
        self.video = video

    def __len__(self) -> int:
        return 4

    def __getitem__(self, seed: int) -> Tensor:
        np.random.seed(seed)
        random.seed(seed)
        results = dict(filename=str(self.video), start_index=0, modality='RGB', label=0)
        for step in self.steps:
            results = step(results)
        assert results['input_shape'] == tuple(results['imgs'].shape)
        return results['imgs']


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="input_format is 'NCTHW'"):
        DecordDecodeFused(input_format='NCTHW')
