"""Backbones that see frames, and those that see clips."""
import pytest
import torch
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from cbm_plugin.overlap import ClipPlan, CoherenceSettings
from cbm_plugin.overlap.plan import Clip
from cbm_plugin.recognition import RecurrentRecognizer
from cbm_plugin.recognition.backbone_scope import backbone_scope
from cbm_plugin.registry import MODELS

from ..tiny import CLASSES, batch, sgd

FRAMES = 4
BACKBONES = {
    'ResNet': dict(type='ResNet', depth=18),
    'TSM': dict(type='ResNetTSM', depth=50, num_segments=FRAMES),
    'SlowOnly': dict(
        type='ResNet3dSlowOnly', depth=18, lateral=False, conv1_kernel=(1, 7, 7),
        conv1_stride_t=1, pool1_stride_t=1, inflate=(0, 0, 1, 1)),
    'I3D': dict(
        type='ResNet3d', depth=18, pretrained2d=False, conv1_kernel=(5, 7, 7), conv1_stride_t=1,
        pool1_stride_t=1, conv_cfg=dict(type='Conv3d'), inflate=(1, 1, 1, 1)),
}
CHANNELS = {'TSM': 2048}


def recognizer(name: str) -> RecurrentRecognizer:
    init_default_scope('mmaction')
    torch.manual_seed(0)
    channels = CHANNELS.get(name, 512)
    model = MODELS.build(dict(
        type='RecurrentRecognizer',
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[127.5] * 3, std=[63.0] * 3),
        backbone=dict(BACKBONES[name], pretrained=None),
        neck=dict(type='RecurrentNeck', in_channels=channels, hidden_channels=[4]),
        cls_head=dict(type='RecurrentHead', num_classes=CLASSES, in_channels=4, topk=1)))
    return model.eval()


def clips(number: int = 2, frames: int = FRAMES) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (number, frames, 3, 32, 32), generator=generator,
                         dtype=torch.uint8)


@pytest.mark.parametrize('name, causal', [('ResNet', True), ('TSM', False), ('SlowOnly', False),
                                          ('I3D', False)])
def test_a_model_says_whether_it_sees_later_frames_and_says_the_truth(name: str,
                                                                     causal: bool) -> None:
    model, inputs = recognizer(name), clips()
    changed = inputs.clone()
    changed[:, -1] = 255 - changed[:, -1]
    with torch.no_grad():
        first = [model.extract_feat(x, stage='neck')[0][:, 0] for x in (inputs, changed)]
    assert model.causal == causal == torch.equal(*first)


@pytest.mark.parametrize('name', ['SlowOnly', 'I3D'])
@torch.no_grad()
def test_the_neck_runs_over_the_time_axis_of_a_3d_backbone(name: str) -> None:
    model, inputs = recognizer(name), clips()
    images = (inputs.float() - 127.5) / 63
    maps = model.backbone(images.transpose(1, 2))
    expected, _ = model.neck(maps.transpose(1, 2).contiguous())
    torch.testing.assert_close(model.extract_feat(inputs)[0], expected)
    assert expected.shape[1] == (FRAMES if name == 'SlowOnly' else FRAMES // 2)


@torch.no_grad()
def test_tsm_shifts_within_the_clips_of_a_batch_alone() -> None:
    model, inputs = recognizer('TSM'), clips()
    together = model.extract_feat(inputs)[0]
    torch.testing.assert_close(together[1:], model.extract_feat(inputs[1:])[0])


@pytest.mark.parametrize('name', list(BACKBONES))
def test_each_trains_on_a_clip_and_is_tested_on_one(name: str) -> None:
    model = recognizer(name).train()
    before = model.neck.rnn.layers[0].bridge.unit.weight.detach().clone()
    data = batch([ClipPlan.whole(FRAMES)] * 2, size=32)
    assert torch.isfinite(model.train_step(data, sgd(model))['loss'])
    assert not torch.equal(before, model.neck.rnn.layers[0].bridge.unit.weight)
    scores = model.eval().test_step(batch([ClipPlan.whole(FRAMES)] * 2, size=32))
    assert all(sample.pred_score.shape == (CLASSES,) for sample in scores)


@pytest.mark.parametrize('name', ['TSM', 'SlowOnly'])
def test_clips_of_one_length_may_overlap_where_time_keeps_its_length(name: str) -> None:
    plans = [ClipPlan(6, (Clip(0, FRAMES), Clip(2, 2 + FRAMES))),
             ClipPlan(6, (Clip(1, 1 + FRAMES), Clip(2, 2 + FRAMES)))]
    model = recognizer(name).train()
    model.coherence = CoherenceSettings(0.8, 'mse', 'carry')
    assert model.train_step(batch(plans, size=32), sgd(model))['coherence'] > 0


def test_overlapping_clips_of_a_backbone_with_strides_in_time_are_refused() -> None:
    plans = [ClipPlan(6, (Clip(0, FRAMES), Clip(2, 2 + FRAMES)))] * 2
    model = recognizer('I3D').train()
    for state in ('reset', 'carry'):
        model.coherence = CoherenceSettings(0.8, 'mse', state)
        with pytest.raises(ValueError, match='ResNet3d makes 2 outputs of the 4 frames'):
            model.train_step(batch(plans, size=32), sgd(model))


@pytest.mark.parametrize('frames', [FRAMES - 1, 2 * FRAMES])
def test_tsm_refuses_another_number_of_frames_with_both_numbers(frames: int) -> None:
    message = f'num_segments={FRAMES} frames of a clip, but a clip of this batch has {frames}'
    with pytest.raises(ValueError, match=message):
        recognizer('TSM').test_step(batch([ClipPlan.whole(frames)], size=32))


@pytest.mark.parametrize('name', ['SlowOnly', 'TSM'])
def test_ragged_clips_are_refused_by_what_would_see_the_padding(name: str) -> None:
    data = batch([ClipPlan.whole(FRAMES), ClipPlan.whole(FRAMES - 1)], size=32)
    with pytest.raises(ValueError, match=r'lengths \[4, 3\], but ResNet.* would see the padding'):
        recognizer(name).test_step(data)


def test_a_backbone_without_a_time_axis_left_is_refused() -> None:
    model = recognizer('SlowOnly')
    model.backbone = nn.Sequential(nn.Conv3d(3, 4, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    with pytest.raises(TypeError, match='needs its time axis'):
        model.test_step(batch([ClipPlan.whole(FRAMES)], size=32))


def test_two_pathways_are_refused() -> None:
    class TwoPathways(nn.Conv3d):
        def forward(self, x: Tensor) -> tuple:
            return super().forward(x), x

    model = recognizer('SlowOnly')
    model.backbone = TwoPathways(3, 4, 3)
    with pytest.raises(TypeError, match='2 feature maps.*one pathway'):
        model.test_step(batch([ClipPlan.whole(FRAMES)], size=32))


@pytest.mark.parametrize('config, scope', [
    (dict(type='C3D', pretrained=None, dropout_ratio=0.5, init_std=0.005), 'clip'),
    (dict(type='ResNet2Plus1d', depth=18, pretrained=None, pretrained2d=False,
          conv_cfg=dict(type='Conv2plus1d'), inflate=(1, 1, 1, 1)), 'clip'),
    (dict(type='X3D', gamma_w=1, gamma_b=2.25, gamma_d=2.2), 'clip'),
    (dict(type='MobileNetV2TSM', num_segments=8, pretrained=None), 'segments'),
    (dict(type='TANet', depth=50, num_segments=8, pretrained=None), 'segments'),
    (dict(type='MobileNetV2', pretrained=None), 'frame'),
    (dict(type='MmcvVGG', depth=11), 'frame'), (dict(type='NoBackbone'), 'frame')],
    ids=lambda value: value['type'] if isinstance(value, dict) else value)
def test_what_a_backbone_sees_is_told_without_a_flag(config: dict, scope: str) -> None:
    init_default_scope('mmaction')
    assert backbone_scope(MODELS.build(config)) == scope


def test_scores_of_single_frames_are_refused_where_a_frame_sees_later_ones() -> None:
    config = dict(
        type='RecurrentRecognizer', backbone=dict(BACKBONES['SlowOnly'], pretrained=None),
        neck=dict(type='RecurrentNeck', in_channels=512, hidden_channels=[4]),
        cls_head=dict(type='RecurrentHead', num_classes=CLASSES, in_channels=4, per_frame=True))
    init_default_scope('mmaction')
    with pytest.raises(ValueError, match='model.cls_head.per_frame needs a model that sees no la'):
        MODELS.build(config)


def test_an_option_that_no_stack_has_is_named_with_those_it_has() -> None:
    init_default_scope('mmaction')
    with pytest.raises(ValueError, match=r"DeepRNN has no option 'depth': use one of \['down"):
        MODELS.build(dict(type='RecurrentNeck', in_channels=4, hidden_channels=[4], depth=3))
