"""Boxes in, outlines out: batched, in the image's pixels, and refused where they make no sense."""
from pathlib import Path
from typing import Any, List

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from cbm_plugin.polygon.annotation.inferencer import PolygonInferencer, check_boxes
from cbm_plugin.polygon.annotation.predictions import OutlinePrediction
from cbm_plugin.polygon.geometry.outline import is_simple, signed_area
from cbm_plugin.registry import MODELS, TRANSFORMS

HEIGHT, WIDTH = 90, 120
CONFIG = """
default_scope = 'mmaction'
custom_imports = dict(imports=['cbm_plugin.polygon'])
model = dict(
    type='PolygonRNN', backbone=dict(type='SmallTrunk', channels=(4, 4, 6, 6)),
    rnn=dict(hidden_channels=[6, 4], layer=dict(type='CBM', activation='tanh', norm=None)),
    head=dict(type='MapVertexHead'), feature_channels=6, grid_size=14, cells_per_feature=2,
    test_cfg=dict(max_vertices=12))
test_dataloader = dict(dataset=dict(type='CocoPolygons', ann_file='none.json', pipeline=[
    dict(type='LoadObjectImage'), dict(type='CropObject', size=56),
    dict(type='PackPolygonInputs')]))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config, a checkpoint of its model, and a picture."""
    made = tmp_path_factory.mktemp('inferencer')
    (made / 'tiny.py').write_text(CONFIG)
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(made / 'tiny.py').model)
    for value in model.parameters():  # an untrained network outlines everything alike
        value.data += 0.3 * torch.randn_like(value)
    torch.save(dict(meta={}, state_dict=model.state_dict()), made / 'tiny.pth')
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    cv2.imwrite(str(made / 'a.png'), cv2.resize(noise, (WIDTH, HEIGHT)))
    return made


def inferencer(folder: Path, **options: object) -> PolygonInferencer:
    return PolygonInferencer(folder / 'tiny.py', folder / 'tiny.pth', 'cpu', **options)


def boxes(number: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    corners = generator.uniform(0, (WIDTH - 20, HEIGHT - 20), (number, 2))
    return np.hstack([corners, corners + generator.uniform(8, 20, (number, 2))])


def same(one: List[OutlinePrediction], other: List[OutlinePrediction]) -> bool:
    return len(one) == len(other) and all(
        a.polygon.shape == b.polygon.shape and np.allclose(a.polygon, b.polygon, atol=1e-4)
        and a.score == pytest.approx(b.score, rel=1e-4) for a, b in zip(one, other))


def test_each_box_has_a_valid_outline_in_it_in_order_with_its_label(folder: Path) -> None:
    given = boxes(9)
    found = inferencer(folder)(folder / 'a.png', given, labels=range(9))
    assert [outline.label for outline in found] == list(range(9))
    for outline, box in zip(found, given):
        assert outline.box == tuple(box) and 0 < outline.score <= 1
        polygon = outline.polygon
        assert polygon.dtype == np.float32 and polygon.ndim == 2 and polygon.shape[1] == 2
        assert is_simple(polygon) and abs(signed_area(polygon)) > 0
        margin = 0.05 * (box[2:] - box[:2])
        assert (polygon >= box[:2] - margin).all() and (polygon <= box[2:] + margin).all()
    assert len({outline.polygon.tobytes() for outline in found}) == 9


@pytest.mark.parametrize('batch_size', [1, 4, 32])
def test_outlines_are_those_of_the_model_and_the_test_pipeline_box_by_box(folder: Path,
                                                                          batch_size: int) -> None:
    given = boxes(10)
    found = inferencer(folder, batch_size=batch_size)(folder / 'a.png', given)
    cfg = Config.fromfile(folder / 'tiny.py')
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(folder / 'tiny.pth')['state_dict'])
    steps = [TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.pipeline]
    for outline, box in zip(found, given):
        results = dict(img_path=str(folder / 'a.png'), box=box)
        for step in steps:
            results = step(results)
        with torch.no_grad():
            [expected] = model.test_step(pseudo_collate([results]))
        inside = expected.pred_polygon.clip(0, (WIDTH, HEIGHT))
        assert np.allclose(outline.polygon, inside, atol=1e-3)
        assert outline.score == pytest.approx(expected.pred_score, rel=1e-4)


def test_all_boxes_of_an_image_pass_the_network_together(folder: Path) -> None:
    counted = []
    infer = inferencer(folder, batch_size=32)
    infer.model.backbone.register_forward_hook(
        lambda module, inputs, output: counted.append(len(inputs[0])))
    step, steps = infer.model.step, []
    infer.model.step = lambda *inputs: steps.append(len(inputs[1])) or step(*inputs)
    infer(folder / 'a.png', boxes(100))
    assert counted == [32, 32, 32, 4]
    assert steps[0] == 32 and len(steps) <= 4 * 12  # of at most 12 vertices


def test_a_file_an_array_and_any_kind_of_boxes_give_the_same(folder: Path) -> None:
    infer, path, given = inferencer(folder), folder / 'a.png', boxes(3).astype(np.float32)
    expected = infer(path, given)
    assert same(infer(str(path), given.tolist()), expected)
    assert same(infer(cv2.imread(str(path)), torch.from_numpy(given)), expected)


def test_no_boxes_give_no_outlines(folder: Path) -> None:
    assert inferencer(folder)(folder / 'a.png', []) == []
    assert inferencer(folder)(folder / 'a.png', np.zeros((0, 4))) == []


def test_outlines_of_boxes_beyond_the_border_end_at_it(folder: Path) -> None:
    over = [[-30, -30, 25, 20], [100, 70, 150, 140], [-50, 10, 300, 60], [118, 2, 400, 500]]
    for outline in inferencer(folder)(folder / 'a.png', over):
        assert (outline.polygon >= 0).all() and (outline.polygon <= (WIDTH, HEIGHT)).all()
        assert is_simple(outline.polygon)


@pytest.mark.parametrize('box, said', [
    ((10, 10, 10, 30), 'box 1 is 10, 10, 10, 30: box of no area'),
    ((50, 40, 30, 60), r'no area. Give x1, y1, x2, y2 in pixels of the image, which is 120 wide '
     r'and 90 high \(corners, not width and height\)'),
    ((10, 10, float('nan'), 30), 'box 1 is 10, 10, nan, 30: box is not finite'),
    ((10, 10, float('inf'), 30), 'not finite'),
    ((120, 10, 130, 30), 'box 1 is 120, 10, 130, 30: outside the image'),
    ((-9, -9, 0, 5), 'outside the image')])
def test_a_box_that_makes_no_sense_is_refused_with_number_and_value(
        folder: Path, box: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        inferencer(folder)(folder / 'a.png', [(1, 1, 20, 20), box])


@pytest.mark.parametrize('given, said', [
    ([1, 2, 3, 4], r'boxes must be \(n, 4\): x1, y1, x2, y2 each, got the shape \(4,\)'),
    ([[1, 2, 3]], r'got the shape \(1, 3\)'), ('abc', 'must be'), ([['a'] * 4], 'must be')])
def test_what_are_no_boxes_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_boxes(given, HEIGHT, WIDTH)


def test_labels_are_one_for_each_box(folder: Path) -> None:
    with pytest.raises(ValueError, match='2 boxes, but 3 labels'):
        inferencer(folder)(folder / 'a.png', boxes(2), [0, 1, 2])


def test_what_is_no_image_is_refused(folder: Path) -> None:
    infer = inferencer(folder)
    with pytest.raises(FileNotFoundError, match='none.png'):
        infer(folder / 'none.png', boxes(1))
    with pytest.raises(ValueError, match='tiny.py'):
        infer(folder / 'tiny.py', boxes(1))
    with pytest.raises(ValueError, match=r'uint8 \(H, W, 3\), blue first, got float64'):
        infer(np.zeros((4, 4, 3)), boxes(1))


def test_a_checkpoint_of_another_architecture_is_refused(folder: Path) -> None:
    cfg = Config.fromfile(folder / 'tiny.py')
    cfg.merge_from_dict({'model.rnn.hidden_channels': [6, 6, 4]})
    with pytest.raises(ValueError, match='tiny.pth does not fit .*tiny.py'):
        PolygonInferencer(cfg, folder / 'tiny.pth', 'cpu')
    with pytest.raises(FileNotFoundError, match='there is no checkpoint none.pth'):
        PolygonInferencer(folder / 'tiny.py', 'none.pth')


def test_a_config_of_no_polygon_model_or_without_a_pipeline_is_refused(folder: Path) -> None:
    cfg = Config.fromfile(folder / 'tiny.py')
    with pytest.raises(ValueError, match="model.type is 'SmallTrunk', but outlines come from"):
        PolygonInferencer(Config(dict(model=dict(type='SmallTrunk'))))
    with pytest.raises(ValueError, match='the config has no test_dataloader.dataset.pipeline'):
        PolygonInferencer(Config(dict(model=cfg.model)))
    with pytest.raises(ValueError, match='batch_size is 0'):
        PolygonInferencer(cfg, batch_size=0)


def test_without_a_checkpoint_and_with_pretrained_weights_named_nothing_is_fetched(
        folder: Path) -> None:
    cfg = Config.fromfile(folder / 'tiny.py')
    cfg.model.backbone = dict(type='PolygonVGG', pretrained='http://127.0.0.1:9/vgg.pth')
    assert len(PolygonInferencer(cfg, device='cpu')(folder / 'a.png', boxes(1))) == 1
