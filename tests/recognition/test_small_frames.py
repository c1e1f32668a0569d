"""Small frames that are decoded once, against MMAction2's own decoding and resizing."""
from pathlib import Path
from typing import List, Optional

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope

import cbm_plugin.recognition  # noqa: F401  (registers everything)
from cbm_plugin.recognition import SmallFramesInit
from cbm_plugin.synthetic.video import write_mp4
from cbm_plugin.video import frame_cache

from ..faults.damage import write_good

SAMPLE = dict(type='SampleOverlapClips', num_clips=3, min_len=4, max_len=7)


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope('mmaction')


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / 'one.mp4'
    shades = np.random.default_rng(0).integers(0, 256, (30, 8, 10, 3), dtype=np.uint8)
    write_mp4(path, shades.repeat(10, axis=1).repeat(10, axis=2))
    return path


def draw(video: Path, steps: List[dict], seed: int = 0) -> dict:
    np.random.seed(seed)
    pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    return pipeline(dict(filename=str(video), start_index=0, modality='RGB', label=0))


def small_frames(cache: Optional[str]) -> List[dict]:
    return [dict(type='SmallFramesInit', size=(20, 24), cache=cache), SAMPLE,
            dict(type='DecordDecode')]


@pytest.mark.parametrize('cache', ['memory', 'folder', None])
@pytest.mark.parametrize('seed', range(3))
def test_frames_are_those_of_decoding_and_resizing(
        video: Path, tmp_path: Path, cache: Optional[str], seed: int) -> None:
    folder = str(tmp_path / 'kept') if cache == 'folder' else cache
    stepwise = draw(video, [
        dict(type='DecordInit'), SAMPLE, dict(type='DecordDecode'),
        dict(type='Resize', scale=(24, 20), keep_ratio=False, interpolation='area')], seed)
    for found in (draw(video, small_frames(folder), seed), draw(video, small_frames(folder), seed)):
        assert np.array_equal(found['imgs'], stepwise['imgs'])
        assert found['img_shape'] == (20, 24)
        assert found['avg_fps'] == stepwise['avg_fps']


def test_a_video_is_decoded_at_its_first_draw_alone(
        video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    read = frame_cache.read_frames
    monkeypatch.setattr(frame_cache, 'read_frames',
                        lambda path, *rest: decoded.append(path) or read(path, *rest))
    pipeline = Compose([TRANSFORMS.build(step) for step in small_frames('memory')])
    for _ in range(3):
        pipeline(dict(filename=str(video), start_index=0, modality='RGB', label=0))
    assert decoded == [str(video)]


def test_fused_decoding_gives_the_same_frames(video: Path) -> None:
    stepwise = draw(video, small_frames('memory'))
    fused = draw(video, [*small_frames('memory')[:2], dict(type='DecordDecodeFused')])
    assert np.array_equal(fused['imgs'], stepwise['imgs'])


def test_a_damaged_video_fails_when_it_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / 'damaged.mp4'
    write_good(path, seed=0)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match='damaged.mp4'):
        draw(path, small_frames('memory'))


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match='size is 0.*at least 1'):
        SmallFramesInit(0)
