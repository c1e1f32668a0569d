"""The polygon network: what it sees, what it is trained on, and that a step is the sequence."""
from typing import List

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.nn import functional as F

from cbm_plugin.layers import POLYGON_CHANNELS
from cbm_plugin.overlap import ClipPlan, CoherenceSettings
from cbm_plugin.polygon import PolygonDataSample, PolygonRNN
from cbm_plugin.polygon.network.heads import cells_of_maps, vertex_maps
from cbm_plugin.polygon.network.positions import IGNORED, Positions
from cbm_plugin.polygon.network.supervision import dense_loss
from cbm_plugin.registry import MODELS

HEADS = pytest.mark.parametrize('head', ['LSTMVertexHead', 'MapVertexHead'])
GRID = 8


def tiny(head: str = 'MapVertexHead', fine: int = 2, **options: object) -> PolygonRNN:
    init_default_scope('mmaction')
    torch.manual_seed(0)
    return PolygonRNN(
        dict(type='SmallTrunk', channels=(4, 4, 6, 6)),
        dict(hidden_channels=[5, 4], layer=dict(type='CBM', activation='tanh', norm=None)),
        head=dict(type=head), feature_channels=6, grid_size=GRID, cells_per_feature=fine, **options)


def outlines(*lengths: int) -> List[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randperm(GRID ** 2, generator=generator)[:n] for n in lengths]


def samples(cells: List[Tensor], plans: List[ClipPlan] = ()) -> List[PolygonDataSample]:
    found = []
    for number, outline in enumerate(cells):
        sample = PolygonDataSample()
        sample.vertices = outline
        if plans:
            sample.clip_plan = plans[number]
        found.append(sample)
    return found


@pytest.mark.parametrize('kind, millions', [('CBM', [0.20, 1.13, 2.68, 5.85]),
                                            ('ConvLSTM', [0.47, 2.94, 7.07, 15.71])])
def test_the_stacks_have_the_published_numbers_of_parameters(kind: str, millions: list) -> None:
    init_default_scope('mmaction')
    found = []
    for widths in POLYGON_CHANNELS.values():
        with torch.device('meta'):
            model = PolygonRNN(dict(type='PolygonVGG'), dict(
                variant='polygon', hidden_channels=widths, layer=dict(type=kind)))
        found.append(round(sum(p.numel() for p in model.rnn.parameters()) / 1e6, 2))
    assert found == millions


@pytest.mark.parametrize('fine', [1, 2, 4])
def test_a_vertex_is_one_in_its_cell_and_maps_are_read_in_the_order_they_are_written(
        fine: int) -> None:
    cells = torch.tensor([[3, -1], [17, 63]])
    maps = vertex_maps(cells, GRID, fine)
    assert maps.shape == (2, 2 * fine ** 2, GRID // fine, GRID // fine)
    read = cells_of_maps(maps.reshape(4, fine ** 2, GRID // fine, GRID // fine), fine)
    expected = F.one_hot(cells.clamp_min(0), GRID ** 2) * (cells >= 0)[..., None]
    assert torch.equal(read, expected.flatten(0, 1).float())


def test_each_position_sees_the_first_and_two_last_vertices_and_predicts_the_next() -> None:
    found = Positions.of([torch.tensor([7, 8, 9]), torch.tensor([1, 2, 3, 4])], end=64)
    assert found.first.tolist() == [7, 1]
    assert found.before.tolist() == [[-1, 7, 8, -1], [-1, 1, 2, 3]]
    assert found.last.tolist() == [[7, 8, 9, -1], [1, 2, 3, 4]]
    assert found.target.tolist() == [[8, 9, 64, IGNORED], [2, 3, 4, 64]]


def test_a_clip_in_mid_outline_sees_what_the_whole_outline_sees_there() -> None:
    whole = Positions.of(outlines(7, 5), end=64)
    part = whole.clip(torch.tensor([2, 3]), torch.tensor([4, 2]))
    for values, all_values in zip(part[1:], whole[1:]):
        assert torch.equal(values[0], all_values[0, 2:6])
        assert torch.equal(values[1, :2], all_values[1, 3:5])
        assert (values[1, 2:] < 0).all()
    assert torch.equal(part.first, whole.first)


@pytest.mark.parametrize('fine', [1, 2])
def test_the_dense_loss_reads_the_maps_cells_in_their_places(fine: int) -> None:
    model = tiny(fine=fine, dense=2.0).eval()
    crops, cells = torch.randn(2, 3, 64, 64), outlines(4, 7)
    found = model(crops, samples(cells), mode='loss')['loss_dense']
    maps = model.dense(model.extract_feat(crops)).detach()
    by_hand = torch.empty(2, 2, GRID, GRID)
    for row in range(GRID):
        for column in range(GRID):
            channel = row % fine * fine + column % fine
            by_hand[:, :, row, column] = maps.unflatten(1, (2, fine ** 2))[
                :, :, channel, row // fine, column // fine]
    expected = 2 * dense_loss(by_hand.flatten(2), cells, GRID)
    torch.testing.assert_close(found.detach(), expected)


def test_jittered_vertices_are_seen_but_not_predicted() -> None:
    truth, seen = torch.tensor([7, 8, 9]), torch.tensor([7, 16, 9])
    found = Positions.of([truth], 64, [seen])
    assert found.last.tolist() == [[7, 16, 9]]
    assert found.before.tolist() == [[-1, 7, 16]]
    assert found.target.tolist() == [[8, 9, 64]]


@HEADS
def test_steps_with_carried_state_give_the_logits_of_the_sequence(head: str) -> None:
    model = tiny(head).eval()
    features = model.extract_feat(torch.randn(2, 3, 64, 64))
    positions = Positions.of(outlines(6, 6), model.grid.end)
    with torch.no_grad():
        whole, _ = model.sequence_logits(features, positions)
        state, steps = None, []
        for p in range(6):
            logits, state = model.step(features, positions.first, positions.before[:, p],
                                       positions.last[:, p], state)
            steps.append(logits)
    torch.testing.assert_close(torch.stack(steps, dim=1), whole, rtol=1e-4, atol=1e-5)


@HEADS
def test_what_lies_beyond_an_outlines_end_is_in_no_loss_and_no_accuracy(head: str) -> None:
    model = tiny(head).eval()
    crops, cells = torch.randn(2, 3, 64, 64), outlines(4, 7)
    both = model(crops, samples(cells), mode='loss')
    apart = [model(crops[i:i + 1], samples(cells[i:i + 1]), mode='loss') for i in range(2)]
    for name, weights in (('loss_vertex', (4, 7)), ('vertex_acc', (4, 7)), ('loss_first', (1, 1))):
        mean = sum(n * part[name] for n, part in zip(weights, apart)) / sum(weights)
        torch.testing.assert_close(both[name], mean, rtol=1e-4, atol=1e-5)


@HEADS
def test_clips_that_carry_their_state_have_the_loss_of_the_whole_outline(head: str) -> None:
    model = tiny(head).eval()  # evaluation mode: no temporal dropout, which is drawn per clip
    crops, cells = torch.randn(2, 3, 64, 64), outlines(8, 6)
    plans = [ClipPlan(8, ((0, 4), (4, 8))), ClipPlan(6, ((0, 3), (3, 6)))]
    model.coherence = CoherenceSettings(state='carry')
    model.data_preprocessor = torch.nn.Identity()
    model.data_preprocessor.forward = lambda data, training: data
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.))
    log = model.train_step(dict(inputs=crops, data_samples=samples(cells, plans)), wrapper)
    whole = model(crops, samples(cells), mode='loss')
    torch.testing.assert_close(log['loss_vertex'], whole['loss_vertex'].detach(), rtol=1e-4,
                               atol=1e-5)


def test_the_published_trunk_is_read_at_four_depths_under_torchvisions_names() -> None:
    init_default_scope('mmaction')
    trunk = MODELS.build(dict(type='PolygonVGG'))
    with torch.no_grad():
        levels = trunk.eval()(torch.randn(1, 3, 224, 224))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (128, 56, 56), (256, 28, 28), (512, 28, 28), (512, 14, 14)]
    assert trunk.state_dict()['features.40.weight'].shape == (512, 512, 3, 3)  # conv5_3


RESNET = dict(type='ResNet', depth=18, pretrained=None, out_indices=(0, 1, 2, 3))


def test_a_resnet_of_mmaction2_serves_as_the_trunk() -> None:
    init_default_scope('mmaction')
    model = PolygonRNN(RESNET, dict(variant='polygon', hidden_channels=[4, 4]),
                       head=dict(type='MapVertexHead'), level_channels=[64, 128, 256, 512],
                       feature_channels=8)
    with torch.no_grad():
        assert model.extract_feat(torch.randn(1, 3, 224, 224)).shape == (1, 8, 28, 28)


def test_a_backbone_of_unknown_channels_is_refused_with_the_line_to_write() -> None:
    init_default_scope('mmaction')
    with pytest.raises(ValueError, match=r'ResNet does not say .*: set level_channels'):
        PolygonRNN(RESNET, dict(variant='polygon', hidden_channels=[4, 4]))


def test_three_levels_are_refused_with_the_remedy() -> None:
    model = tiny()
    model.backbone.forward = lambda x: (x, x, x)
    with pytest.raises(TypeError, match=r'reads 4 maps.*got 3.*out_indices=\(0, 1, 2, 3\)'):
        model.extract_feat(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize('test_cfg, message', [
    (dict(beam=3), r"no option \['beam'\]: use one of"),
    (dict(beam_width=0), 'beam_width=0'), (dict(max_vertices=2), 'max_vertices=2'),
    (dict(end_above=2), 'end_above=2')])
def test_wrong_test_settings_are_refused(test_cfg: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(test_cfg=test_cfg)


def test_a_clip_plan_of_another_outline_is_refused() -> None:
    model = tiny()
    data = dict(inputs=[torch.zeros(3, 64, 64, dtype=torch.uint8)],
                data_samples=samples(outlines(5), [ClipPlan.whole(6)]))
    with pytest.raises(ValueError, match='has 5 vertices, but its clip plan is for 6'):
        model.train_step(data, OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.)))
