"""From uint8 frames to a decision, with the time axis in its place."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

from cbm_plugin.overlap import ClipPlan
from cbm_plugin.recognition import RecurrentNeck, aggregate, feature_maps
from cbm_plugin.registry import MODELS

from ..tiny import CLASSES, batch, sample, tiny_recognizer


def predictions(model: nn.Module, data: dict) -> list:
    return [s.pred_score for s in model.eval().test_step(data)]


def test_a_ragged_batch_is_predicted_like_its_items_alone() -> None:
    model = tiny_recognizer('BN')
    plans = [ClipPlan.whole(n) for n in (6, 2, 4)]
    together = predictions(model, batch(plans))
    data = batch(plans)
    for i in range(3):
        alone = predictions(model, {key: values[i:i + 1] for key, values in data.items()})
        torch.testing.assert_close(together[i], alone[0])


def test_scores_are_a_distribution_and_the_label_its_maximum() -> None:
    for made in tiny_recognizer().eval().test_step(batch([ClipPlan.whole(4)] * 2)):
        assert made.pred_score.shape == (CLASSES,)
        torch.testing.assert_close(made.pred_score.sum(), torch.tensor(1.0))
        assert int(made.pred_label) == int(made.pred_score.argmax())


def test_padding_reaches_neither_the_backbones_batch_norm_nor_the_necks() -> None:
    def statistics(extra: int) -> list:
        model = tiny_recognizer('BN')
        model.backbone.stages[0][1] = nn.BatchNorm2d(4)
        data = model.data_preprocessor(batch([ClipPlan.whole(6), ClipPlan.whole(3)]), training=True)
        inputs = torch.cat([data['inputs'], torch.randint(0, 256, (2, extra, 3, 8, 8))], dim=1)
        model.train()(inputs, data['data_samples'], mode='loss', lengths=data['lengths'])
        return list(model.buffers())

    for ours, theirs in zip(statistics(3), statistics(0)):
        torch.testing.assert_close(ours, theirs)


def test_without_a_neck_it_is_the_temporal_mean() -> None:
    model = tiny_recognizer(neck=None).eval()
    data = batch([ClipPlan.whole(5)])
    frames = model.data_preprocessor.normalize(data['inputs'][0])
    logits = model.cls_head.fc_cls(model.backbone(frames).mean((-2, -1)))
    torch.testing.assert_close(predictions(model, data)[0], logits.mean(0).softmax(-1))


def test_the_preprocessor_pads_time_keeps_lengths_and_stays_uint8() -> None:
    model = tiny_recognizer()
    data = model.data_preprocessor(batch([ClipPlan.whole(5), ClipPlan.whole(2)]))
    assert data['inputs'].shape == (2, 5, 3, 8, 8) and data['inputs'].dtype == torch.uint8
    assert data['lengths'].tolist() == [5, 2] and not data['inputs'][1, 2:].any()


def test_a_stock_preprocessor_config_is_made_to_fit() -> None:
    stock = dict(type='ActionDataPreprocessor', mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0],
                 format_shape='NCHW', to_rgb=True)
    preprocessor = tiny_recognizer(data_preprocessor=stock).data_preprocessor
    frames = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1)
    assert preprocessor.normalize(frames).flatten().tolist() == [29, 18, 7]


def test_frames_of_different_sizes_are_refused_with_the_remedy() -> None:
    data = batch([ClipPlan.whole(2)] * 2)
    data['inputs'][1] = data['inputs'][1][..., :6]
    with pytest.raises(ValueError, match='resize and crop to one size'):
        tiny_recognizer().test_step(data)


def test_frames_of_other_channels_than_the_mean_are_refused() -> None:
    data = batch([ClipPlan.whole(2)])
    data['inputs'][0] = data['inputs'][0][:, :2]
    with pytest.raises(ValueError, match='mean and std have 3 channels, the frames have 2'):
        tiny_recognizer().test_step(data)


# --- in the wrong place


def stock_recognizer(neck: dict) -> nn.Module:
    init_default_scope('mmaction')
    return MODELS.build(dict(
        type='Recognizer2D', backbone=dict(type='SmallConvNet', channels=(4,), strides=(2,)),
        neck=neck, cls_head=dict(type='TSNHead', num_classes=3, in_channels=4)))


def test_a_recurrent_neck_in_a_stock_recognizer_is_refused_with_the_lines_to_change() -> None:
    model = stock_recognizer(dict(type='RecurrentNeck', in_channels=4, hidden_channels=[4]))
    with pytest.raises(TypeError) as error:
        model(torch.zeros(2, 4, 3, 8, 8), [sample(0), sample(1)], mode='loss')
    for line in ("custom_imports = dict(imports=['cbm_plugin.recognition'])",
                 "type='RecurrentRecognizer'", "type='RecurrentHead'"):
        assert line in str(error.value)


def test_unknown_variants_and_layers_are_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"variant 'resnet' is unknown: use one of \['backbone'"):
        RecurrentNeck(4, [4], variant='resnet')
    with pytest.raises(ValueError, match="layer type 'Elman' is unknown: use one of"):
        RecurrentNeck(4, [4], layer=dict(type='Elman'))


def test_a_variant_is_the_papers_network_and_options_override_it() -> None:
    neck = RecurrentNeck(4, [4] * 5, layer=dict(temporal_dropout=0.1), variant='backbone')
    first = neck.rnn.layers[0]
    assert first.bridge.activation == 'tanh' and first.temporal.norm is not None
    assert first.temporal_dropout.p == 0.1


def test_a_bridge_comes_from_mmaction2s_registry_by_name() -> None:
    @MODELS.register_module(force=True)
    class TwoConvolutions(nn.Sequential):
        def __init__(self, in_channels: int, out_channels: int) -> None:
            super().__init__(nn.Conv2d(in_channels, out_channels, 3, padding=1),
                             nn.Conv2d(out_channels, out_channels, 3, padding=1))

    init_default_scope('mmaction')
    neck = RecurrentNeck(4, [4], layer=dict(bridge=dict(type='TwoConvolutions')))
    assert type(neck.rnn.layers[0].bridge.unit) is TwoConvolutions


# --- aggregations


LOGITS = torch.tensor([[[3.0, 0.0], [0.0, 1.0], [0.0, 1.0], [9.0, 9.0]]])


@pytest.mark.parametrize('how, expected', [
    ('mean', torch.tensor([1.0, 2 / 3]).softmax(0)), ('vote', torch.tensor([1 / 3, 2 / 3])),
    ('last', torch.tensor([0.0, 1.0]).softmax(0)),
    ('last_half', torch.tensor([0.0, 1.0]).softmax(0))])
def test_frames_are_aggregated_without_padding(how: str, expected: torch.Tensor) -> None:
    torch.testing.assert_close(aggregate(LOGITS, torch.tensor([3]), how)[0], expected)


def test_an_unknown_aggregation_is_refused() -> None:
    with pytest.raises(ValueError, match="aggregation 'median' is unknown"):
        tiny_recognizer(cls_head=dict(type='RecurrentHead', num_classes=3, in_channels=4,
                                      aggregation='median'))


# --- backbones


def test_vgg19_of_mmcv_keeps_its_maps() -> None:
    init_default_scope('mmaction')
    backbone = MODELS.build(dict(type='MmcvVGG', depth=19)).eval()
    with torch.no_grad():
        assert feature_maps(backbone, torch.zeros(2, 3, 64, 64)).shape == (2, 512, 2, 2)
    assert 'features.0.weight' in backbone.state_dict()


def test_a_resnet_of_mmaction2_keeps_its_maps() -> None:
    init_default_scope('mmaction')
    backbone = MODELS.build(dict(type='ResNet', depth=18, pretrained=None))
    backbone.eval()
    with torch.no_grad():
        assert feature_maps(backbone, torch.zeros(2, 3, 64, 64)).shape == (2, 512, 2, 2)


class TorchvisionResNet(nn.Module):
    """The interface of torchvision's ResNet: named children, pooled and flattened at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 2, 1)
        self.layer1 = nn.Conv2d(4, 6, 3, 2, 1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Identity()


def test_torchvision_models_keep_their_maps() -> None:
    images = torch.zeros(2, 3, 16, 16)
    assert feature_maps(TorchvisionResNet(), images, 'torchvision').shape == (2, 6, 4, 4)
    vgg = SimpleNamespace(features=nn.Conv2d(3, 4, 3, 2, 1))
    assert feature_maps(vgg, images, 'torchvision').shape == (2, 4, 8, 8)


def test_a_torchvision_model_without_a_known_trunk_is_refused() -> None:
    with pytest.raises(TypeError, match="torchvision's Linear has neither"):
        feature_maps(nn.Linear(3, 3), torch.zeros(1, 3, 4, 4), 'torchvision')


@pytest.mark.parametrize('layout, size, expected', [
    ('NCHW', (2, 6, 4, 4), (2, 6, 4, 4)), ('NHWC', (2, 4, 4, 6), (2, 6, 4, 4)),
    ('NLC', (2, 17, 6), (2, 6))])
def test_timm_features_of_each_layout_become_maps_or_vectors(layout: str, size: tuple,
                                                             expected: tuple) -> None:
    backbone = SimpleNamespace(forward_features=lambda images: torch.zeros(size))
    assert feature_maps(backbone, torch.zeros(2, 3, 8, 8), 'timm', layout).shape == expected


def test_several_feature_maps_are_refused() -> None:
    with pytest.raises(TypeError, match='set backbone.out_indices to one stage'):
        feature_maps(lambda images: (images, images), torch.zeros(1, 3, 4, 4))
