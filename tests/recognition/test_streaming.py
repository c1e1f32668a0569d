"""A frame in, scores out: the same scores as offline, in constant memory."""
import gc
import os
import re
from pathlib import Path
from typing import Any, Dict, List

import cv2
import decord
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from torch import Tensor

from cbm_plugin.layers.state import shapes
from cbm_plugin.recognition.running_scores import running_scores
from cbm_plugin.recognition.streaming import StreamRecognizer
from cbm_plugin.registry import MODELS
from cbm_plugin.synthetic.motion_clips import make_motion_clips
from cbm_plugin.synthetic.video import write_mp4

from ..tiny import tiny_recognizer
from ..tiny_run import ROOT

CONFIG = """
default_scope = 'mmaction'
custom_imports = dict(imports=['cbm_plugin.recognition'])
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(type='SequencePreprocessor', mean=[100, 120, 140], std=[50, 60, 70]),
    backbone=dict(type='SmallConvNet', channels=(8,), strides=(2,)),
    neck=dict(type='RecurrentNeck', in_channels=8, hidden_channels=[8] * 5, shortcuts=5,
              pool_after=5),
    cls_head=dict(type='RecurrentHead', num_classes=6, in_channels=8, init_std=2.0, topk=1))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='DecordInit'),
    dict(type='SampleSequence'),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 40)),
    dict(type='CenterCrop', crop_size=32),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs')]))
"""
PLAIN = [dict(type='FormatShape', input_format='NCHW')]


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames, 80 x 60 pixels, of a texture that drifts."""
    path = tmp_path_factory.mktemp('stream') / 'video.mp4'
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (16, 32, 3), np.uint8), (200, 60))
    write_mp4(path, np.stack([picture[:, 2 * t:2 * t + 80] for t in range(60)]))
    return path


@pytest.fixture(scope='module')
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp('config') / 'tiny.py'
    path.write_text(CONFIG)
    return Config.fromfile(path)


def stream_of(cfg: Config, **options: Any) -> StreamRecognizer:
    torch.manual_seed(0)
    return StreamRecognizer.from_config(cfg, **options)


def offline(stream: StreamRecognizer, cfg: Config, video: Path, how: str,
            **sampler: int) -> Tensor:
    """Scores by the test pipeline and the test step, as tools/test.py computes them."""
    pipeline = [dict(step) for step in cfg.test_dataloader.dataset.pipeline]
    pipeline[1].update(sampler)
    packed = Compose(pipeline)(dict(filename=str(video), label=0, start_index=0, modality='RGB'))
    stream.model.cls_head.aggregation = how
    return stream.model.test_step(pseudo_collate([packed]))[0].pred_score


def frames_of(video: Path) -> List[np.ndarray]:
    return list(decord.VideoReader(str(video))[:].asnumpy())


@pytest.mark.parametrize('how', ['mean', 'vote', 'last'])
def test_the_scores_of_an_mp4_are_the_offline_ones(cfg: Config, video: Path, how: str) -> None:
    stream = stream_of(cfg, aggregation=how)
    for frame in frames_of(video):
        scores = stream(frame)
    torch.testing.assert_close(scores, offline(stream, cfg, video, how), rtol=0, atol=1e-5)


def test_the_scores_of_every_prefix_are_the_offline_ones(cfg: Config, video: Path,
                                                         tmp_path: Path) -> None:
    stream, frames = stream_of(cfg), frames_of(video)
    running = [stream(frame) for frame in frames]
    logits = torch.stack([stream.pipeline(frame)[0] for frame in frames])
    with torch.no_grad():
        logits = stream.model.extract_feat(logits[None], stage='head')[0][0]
    for seen in (1, 2, 17, 60):
        torch.testing.assert_close(running[seen - 1], logits[:seen].mean(0).softmax(-1),
                                   rtol=0, atol=1e-5)
    assert (running[0] - running[-1]).abs().max() > 0.01  # they have something to say


def test_opencvs_frames_give_the_same_as_bgr(cfg: Config, video: Path) -> None:
    stream, capture = stream_of(cfg, channel_order='bgr'), cv2.VideoCapture(str(video))
    there, frame = capture.read()
    while there:
        scores = stream(frame)
        there, frame = capture.read()
    assert stream.frames_seen == 60
    torch.testing.assert_close(scores, offline(stream, cfg, video, 'mean'), rtol=0, atol=1e-5)


def test_every_third_frame_is_fed_and_those_between_keep_the_scores(cfg: Config,
                                                                    video: Path) -> None:
    stream = stream_of(cfg, frame_interval=3)
    scores = [stream(frame) for frame in frames_of(video)]
    assert scores[4] is scores[3] and not torch.equal(scores[6], scores[5])
    torch.testing.assert_close(scores[-1], offline(stream, cfg, video, 'mean', frame_interval=3),
                               rtol=0, atol=1e-5)


def test_the_interval_is_that_of_the_test_pipeline(cfg: Config) -> None:
    pipeline = [dict(type='SampleSequence', frame_interval=4), *PLAIN]
    assert StreamRecognizer(tiny_recognizer(), pipeline).frame_interval == 4
    pipeline[0] = dict(type='SampleFrames', clip_len=8, frame_interval=2, num_clips=1)
    assert StreamRecognizer(tiny_recognizer(), pipeline).frame_interval == 2
    assert StreamRecognizer(tiny_recognizer(), PLAIN).frame_interval == 1


def test_after_reset_a_video_is_scored_as_the_first(cfg: Config, video: Path) -> None:
    stream, frames = stream_of(cfg), frames_of(video)[:9]
    first = [stream(frame) for frame in frames]
    stream.reset()
    for frame, scores in zip(frames, first):
        assert torch.equal(stream(frame), scores)


@pytest.mark.parametrize('how', ['mean', 'vote', 'last', 'last_half'])
def test_a_window_decides_by_its_last_frames_alone(how: str) -> None:
    logits = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    update = running_scores(how, window=7)
    scores = [update(row) for row in logits]
    whole = running_scores(how, window=100)
    fresh = [whole(row) for row in logits[-7:]]
    torch.testing.assert_close(scores[-1], fresh[-1])
    assert len(update.logits) == 7


def test_a_mean_of_many_frames_keeps_its_digits() -> None:
    update = running_scores('mean')
    for _ in range(20_000):
        scores = update(torch.tensor([1000.1, 1000.0]))
    torch.testing.assert_close(scores, torch.tensor([1000.1, 1000.0]).softmax(-1), rtol=0,
                               atol=1e-6)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def endless_stream() -> StreamRecognizer:
    """One layer on the pixels, the smallest that carries a state."""
    model = MODELS.build(dict(
        type='RecurrentRecognizer', backbone=dict(type='NoBackbone'),
        neck=dict(type='RecurrentNeck', in_channels=3, hidden_channels=[4],
                  layer=dict(type='CBM', norm=None)),
        cls_head=dict(type='RecurrentHead', num_classes=3, in_channels=4)))
    return StreamRecognizer(model, PLAIN, window=16)


def test_ten_thousand_frames_need_no_more_memory_than_a_thousand() -> None:
    stream = endless_stream()
    frames = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8)
    for t in range(10_000):
        if t == 1000:
            gc.collect()
            before, state = resident(), shapes(stream.state)
        stream(frames[t % 16])
    assert stream.frames_seen == 10_000 and shapes(stream.state) == state
    # a frame of 192 bytes kept would be 1.7 MB more, a state of 1 kB 9 MB
    assert resident() - before < 1_500_000


def test_no_python_object_of_a_frame_outlives_it() -> None:
    stream, frame = endless_stream(), np.zeros((8, 8, 3), np.uint8)
    for _ in range(50):
        stream(frame)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(300):
        stream(frame)
    gc.collect()
    assert len(gc.get_objects()) - before < 100


def test_a_frame_that_fails_leaves_the_stream_as_it_was(cfg: Config, video: Path) -> None:
    stream, frames = stream_of(cfg), frames_of(video)
    stream(frames[0])
    pipeline, stream.pipeline = stream.pipeline, lambda frame: torch.zeros(1, 3, 8, 8).byte()
    with pytest.raises(ValueError, match=r'\(32, 32\) after the test pipeline, now \(8, 8\): call '
                                         r'reset\(\)'):
        stream(frames[1])
    stream.pipeline = pipeline
    again = stream_of(cfg)
    again(frames[0])
    assert torch.equal(stream(frames[1]), again(frames[1])) and stream.frames_seen == 2


@pytest.mark.parametrize('frame, error, said', [
    ([[0]], TypeError, 'must be a NumPy array, got list'),
    (np.zeros((8, 8, 3)), ValueError, r'must be uint8 \(H, W, 3\), got float64 \(8, 8, 3\)'),
    (np.zeros((8, 8), np.uint8), ValueError, r'got uint8 \(8, 8\)'),
], ids=['a list', 'float', 'grey'])
def test_what_is_no_frame_is_refused(frame: Any, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        StreamRecognizer(tiny_recognizer(), PLAIN)(frame)


@pytest.mark.parametrize('step, said', [
    (dict(type='AddMotionChannels'), 'AddMotionChannels .* looks at the whole video'),
    (dict(type='ThreeCrop', crop_size=8), 'ThreeCrop .* makes three videos of one: use CenterCrop'),
    (dict(type='TenCrop', crop_size=8), 'TenCrop .* makes ten videos of one'),
    (dict(type='ColorJitter'), r"ColorJitter .* give per_frame=\['ColorJitter'\]"),
    (dict(type='FormatShape', input_format='NCTHW'), 'once, not input_format='),
    (dict(type='UniformSample', clip_len=8), 'UniformSample .* give frame_interval'),
    (dict(type='SampleSequence', num_items=8), 'SampleSequence .* give frame_interval'),
    (dict(type='SampleFrames', clip_len=1, num_clips=25), 'SampleFrames .* give frame_interval'),
], ids=lambda value: value['type'] if isinstance(value, dict) else '')
def test_transforms_that_need_the_whole_video_are_refused_by_name(step: Dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StreamRecognizer(tiny_recognizer(), [step, *PLAIN])


@pytest.mark.parametrize('options, said', [
    (dict(aggregation='last_half'), "'last_half' needs the logits of all frames, .* give a window"),
    (dict(aggregation='best'), "aggregation 'best' is unknown: use one of"),
    (dict(window=0), 'window is 0, but must be at least 1 frame'),
    (dict(frame_interval=0), 'frame_interval is 0, but must be at least 1'),
    (dict(channel_order='grb'), "channel_order is 'grb': use 'rgb' or 'bgr'"),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else '')
def test_options_out_of_range_are_refused_with_the_remedy(options: Dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StreamRecognizer(tiny_recognizer(), PLAIN, **options)


def test_models_that_cannot_stream_are_refused(cfg: Config) -> None:
    with pytest.raises(TypeError, match='needs a RecurrentRecognizer, got Linear'):
        StreamRecognizer(torch.nn.Linear(1, 1), PLAIN)
    model = tiny_recognizer()
    model.causal = False
    with pytest.raises(ValueError, match='streaming needs a model that sees no later frames'):
        StreamRecognizer(model, PLAIN)
    stock = Config(dict(model=dict(
        type='Recognizer2D', backbone=dict(type='SmallConvNet'),
        cls_head=dict(type='TSNHead', num_classes=2, in_channels=32))))
    with pytest.raises(ValueError, match="model.type is 'Recognizer2D'"):
        StreamRecognizer.from_config(stock)
    with pytest.raises(ValueError, match='has no test_dataloader.dataset.pipeline'):
        StreamRecognizer.from_config(Config(dict(model=cfg.model)))


def test_the_default_configs_clips_stream_as_they_are_tested(tmp_path: Path) -> None:
    cfg = Config.fromfile(
        ROOT / 'configs/recognition/cbm15_scratch_1xb32-6to10x1x2-10e_motion-clips-rgb.py')
    clip = make_motion_clips(tmp_path, 'test', 1, seed=0).parent
    video = next(clip.rglob('*.mp4'))
    stream = stream_of(cfg)
    for frame in frames_of(video):
        scores = stream(frame)
    torch.testing.assert_close(scores, offline(stream, cfg, video, 'mean'), rtol=0, atol=1e-5)


def test_the_ten_lines_of_the_docs_score_a_video(
        cfg: Config, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture) -> None:
    block, = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/streaming.md').read_text(), re.DOTALL)
    (tmp_path / 'CONFIG.py').write_text(CONFIG)
    (tmp_path / 'VIDEO.mp4').write_bytes(video.read_bytes())
    model = stream_of(cfg).model
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'CHECKPOINT.pth')
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    expected = offline(StreamRecognizer(model, PLAIN), cfg, video, 'mean')
    said = capsys.readouterr().out.split()
    assert said[-4:-1] == ['class', str(int(expected.argmax())), 'score']
    assert abs(float(said[-1]) - expected.max().item()) < 1e-5
