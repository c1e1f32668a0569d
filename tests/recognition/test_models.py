"""The paper's models and baselines, as configs/_base_/models has them."""
from pathlib import Path

import mmcv.cnn
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from cbm_plugin.layers import CBM, LSTM, STANDALONE_CHANNELS, ConvLSTM
from cbm_plugin.overlap import ClipPlan
from cbm_plugin.recognition import (
    HiddenLayerHead,
    MmcvVGG,
    RecurrentNeck,
    RecurrentRecognizer,
    StandaloneCBM,
)
from cbm_plugin.registry import MODELS

from ..tiny import batch, sgd
from ..tiny_run import ROOT

FOLDER = ROOT / 'configs/_base_/models'
OTHERS = ('polygon_', 'predictor_', 'mcnet_')  # models of the other applications
MODEL_FILES = [path for path in sorted(FOLDER.glob('*.py')) if not path.name.startswith(OTHERS)]
NARROW = [2] * 5 + [3] * 4 + [4] * 4 + [6] * 4


def config(name: str) -> Config:
    cfg = Config.fromfile(FOLDER / f'{name}.py').model
    if 'pretrained' in cfg.backbone:
        cfg.backbone.pretrained = None
    return cfg


def built(cfg: Config) -> RecurrentRecognizer:
    init_default_scope('mmaction')
    return MODELS.build(cfg)


def published(name: str) -> RecurrentRecognizer:
    """The model at its full size, its parameters without memory."""
    with torch.device('meta'):
        return built(config(name))


def narrow(name: str) -> RecurrentRecognizer:
    """The same structure with few recurrent channels, for 64 pixels."""
    cfg = config(name)
    if name == 'cbm17_standalone':
        cfg.neck.hidden_channels = NARROW
        cfg.cls_head.update(in_channels=6, map_size=2)
    elif cfg.neck is not None:
        cfg.neck.hidden_channels = [4] * len(cfg.neck.hidden_channels)
        cfg.cls_head.in_channels = 4
    torch.manual_seed(0)
    model = built(cfg)
    model.init_weights()
    return model


def millions(module: nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@pytest.mark.parametrize('path', MODEL_FILES, ids=lambda path: path.stem)
def test_a_model_trains_on_ragged_clips_and_is_tested(path: Path) -> None:
    model = narrow(path.stem)
    data = batch([ClipPlan.whole(3), ClipPlan.whole(2)], size=64)
    losses = [model.train().train_step(data, sgd(model))['loss'] for _ in range(2)]
    assert all(torch.isfinite(loss) for loss in losses)
    for sample in model.eval().test_step(data):
        torch.testing.assert_close(sample.pred_score.sum(), torch.tensor(1.0))


@pytest.mark.parametrize('name, layers, kind', [
    ('cbm15_vgg19bn', 15, CBM), ('cbm15_r50', 15, CBM), ('cbm17_standalone', 17, CBM),
    ('convlstm15_vgg19bn', 15, ConvLSTM), ('lstm1_vgg19bn', 1, LSTM)])
def test_the_published_depths_widths_and_layers(name: str, layers: int, kind: type) -> None:
    rnn = published(name).neck.rnn
    assert rnn.depth == layers and all(type(layer) is kind for layer in rnn.layers)
    expected = STANDALONE_CHANNELS if layers == 17 else [512] * layers
    assert rnn.hidden_channels == expected


def test_the_recurrent_stacks_have_the_parameters_that_their_widths_say() -> None:
    layer = 512 * 512 * 9  # one 3x3 convolution: R, T's input, T's state
    biases_and_norms = 512 * (2 + 4)  # biases of R and T, two batch norms
    projections = 3 * (512 * 512 + 512 + 2 * 512)
    cbm = 15 * (3 * layer + biases_and_norms) + projections
    assert sum(p.numel() for p in published('cbm15_vgg19bn').neck.parameters()) == cbm
    assert millions(published('lstm1_vgg19bn').neck) == pytest.approx(4 * 2 * 512 ** 2 / 1e6, .01)
    assert millions(published('convlstm15_vgg19bn').neck) == pytest.approx(
        15 * 8 * layer / 1e6, .01)


def test_the_published_classifiers() -> None:
    head = published('cbm17_standalone').cls_head
    assert (head.fc_hidden.in_features, head.fc_hidden.out_features) == (512 * 7 ** 2, 512 * 7)
    head = published('cbm15_vgg19bn').cls_head
    assert (head.fc_hidden.in_features, head.fc_hidden.out_features) == (512, 512)
    assert (head.map_dropout.p, head.dropout.p) == (0.2, 0.5)
    assert published('cbm15_vgg19bn').neck.dropout.p == 0.2


@torch.no_grad()
def test_the_standalone_network_sees_frames_and_gives_maps_of_a_32nd() -> None:
    model = narrow('cbm17_standalone').eval()
    frames = torch.randint(0, 256, (1, 2, 3, 96, 64), dtype=torch.uint8)
    assert model.extract_feat(frames)[0].shape == (1, 2, 6, 3, 2)
    assert model.causal and isinstance(model.neck, StandaloneCBM)


@torch.no_grad()
def test_the_standalone_network_streams_frame_by_frame() -> None:
    neck = StandaloneCBM(hidden_channels=NARROW).eval()
    frames = torch.randn(2, 3, 3, 64, 64)
    whole, _ = neck(frames)
    state, steps = None, []
    for t in range(3):
        y_t, state = neck.step(frames[:, t], state)
        steps.append(y_t)
    torch.testing.assert_close(torch.stack(steps, dim=1), whole, rtol=1e-4, atol=1e-5)


# --- the neck


@pytest.mark.parametrize('layer', [dict(type='LSTM'), dict(type='GRU'),
                                   dict(type='CBM', kernel_size=None)])
@torch.no_grad()
def test_layers_for_vectors_get_averaged_maps(layer: dict) -> None:
    neck = RecurrentNeck(4, [3], layer=layer).eval()
    maps = torch.randn(2, 5, 4, 3, 3)
    pooled, _ = neck(maps.mean((-2, -1)))
    torch.testing.assert_close(neck(maps)[0], pooled)
    torch.testing.assert_close(neck.step(maps[:, 0])[0], pooled[:, 0])


@pytest.mark.parametrize('layer', ['ConvLSTM', 'ConvGRU', 'CBM', 'LSTM', 'GRU'])
@pytest.mark.parametrize('depth', [1, 3])
def test_any_layer_stands_in_the_neck_at_any_depth(layer: str, depth: int) -> None:
    neck = RecurrentNeck(4, [3] * depth, layer=dict(type=layer))
    y, state = neck(torch.randn(2, 5, 4, 3, 3))
    assert y.shape[:3] == (2, 5, 3) and len(state) == depth


def test_dropout_takes_whole_channels_in_training_alone() -> None:
    torch.manual_seed(0)
    neck = RecurrentNeck(64, [1], layer=dict(bridge=False), dropout_ratio=0.5)
    ones = torch.ones(2 * 3, 64, 4, 4)
    dropped = neck._prepared(ones)
    assert set(dropped.unique().tolist()) == {0, 2}
    assert torch.equal(dropped, dropped[..., :1, :1].expand_as(dropped))
    assert torch.equal(neck.eval()._prepared(ones), ones)


# --- the head


def test_the_hidden_layer_head_is_two_linear_layers_on_flattened_maps() -> None:
    head = HiddenLayerHead(3, in_channels=2, map_size=2, topk=1).eval()
    maps = torch.randn(1, 4, 2, 2, 2)
    hidden = (maps.flatten(2) @ head.fc_hidden.weight.T + head.fc_hidden.bias).relu()
    torch.testing.assert_close(head(maps), hidden @ head.fc_cls.weight.T + head.fc_cls.bias)


@pytest.mark.parametrize('shape', [(1, 4, 2, 3, 3), (1, 4, 5, 2, 2), (1, 4, 2)])
def test_maps_of_another_size_are_refused_with_the_option_to_set(shape: tuple) -> None:
    head = HiddenLayerHead(3, in_channels=2, map_size=2, topk=1)
    with pytest.raises(ValueError, match=r'built for maps of the shape \(2, 2, 2\).*map_size'):
        head(torch.zeros(shape))


@pytest.mark.parametrize('options, message', [
    (dict(map_size=0), 'map_size is 0'), (dict(dropout_ratio=0.5), 'must be two numbers')])
def test_options_of_the_head_are_checked_at_once(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HiddenLayerHead(3, in_channels=2, **options)


# --- pretrained VGG


def saved(folder: Path, **options: object) -> Path:
    """Weights as torchvision saves them: with a classifier."""
    state = mmcv.cnn.VGG(11, num_classes=5, **options).state_dict()
    torch.save(state, folder / 'vgg.pth')
    return folder / 'vgg.pth'


def test_pretrained_weights_of_a_vgg_are_really_loaded(tmp_path: Path) -> None:
    path = saved(tmp_path, with_bn=True)
    vgg = MmcvVGG(11, pretrained=str(path))
    vgg.init_weights()
    loaded = torch.load(path)
    assert all(torch.equal(value, loaded[name]) for name, value in vgg.state_dict().items())


def test_weights_of_another_vgg_are_refused(tmp_path: Path) -> None:
    vgg = MmcvVGG(11, pretrained=str(saved(tmp_path, with_bn=False)))
    with pytest.raises(ValueError, match='does not hold the weights of this VGG'):
        vgg.init_weights()


@pytest.mark.parametrize('norm_eval', [True, False])
def test_batch_norm_of_a_vgg_learns_unless_told_otherwise(norm_eval: bool) -> None:
    vgg = MmcvVGG(11, norm_eval=norm_eval).train()
    norms = [module for module in vgg.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(norm.training != norm_eval for norm in norms)


def test_the_temporal_mean_is_blind_to_the_order_of_frames() -> None:
    model = narrow('tmean_vgg19bn').eval()
    frames = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)

    def scores(order: Tensor) -> Tensor:
        data = batch([ClipPlan.whole(4)])
        data['inputs'] = [frames[order]]
        return model.test_step(data)[0].pred_score

    torch.testing.assert_close(scores(torch.arange(4)), scores(torch.tensor([2, 0, 3, 1])))
