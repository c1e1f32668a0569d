"""polygon_coco_ap.py: a real (untrained) model on all three kinds of boxes, and its refusals."""
import json
import sys
from pathlib import Path

import mmdet.models  # noqa: F401  (registers the detector)
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

import cbm_plugin.polygon  # noqa: F401  (registers everything)
from cbm_plugin.polygon.annotation.inferencer import PolygonInferencer
from cbm_plugin.registry import MODELS

from ..polygon.coco_folder import SIZE, make, write
from ..polygon.evaluation.test_boxes import DETECTOR

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'analysis_tools'))

import polygon_coco_ap  # noqa: E402

CONFIG = """
default_scope = 'mmaction'
model = dict(
    type='PolygonRNN', backbone=dict(type='SmallTrunk', channels=(4, 4, 6, 6)),
    rnn=dict(hidden_channels=[6, 4], layer=dict(type='CBM', norm=None)),
    head=dict(type='MapVertexHead'), feature_channels=6, grid_size=14, cells_per_feature=2,
    test_cfg=dict(max_vertices=8))
test_dataloader = dict(dataset=dict(type='CocoPolygons', ann_file='', pipeline=[
    dict(type='LoadObjectImage'), dict(type='CropObject', size=56),
    dict(type='PackPolygonInputs')]))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Pictures, annotations, a polygon model and a detector: each a config and a checkpoint."""
    made = tmp_path_factory.mktemp('folder')
    make(made)
    torch.manual_seed(0)
    for name, text, scope, meta in (
            ('polygon', CONFIG, 'mmaction', {}),
            ('detector', DETECTOR, 'mmdet', dict(dataset_meta=dict(classes=('a', 'disc', 'bar'))))):
        (made / f'{name}.py').write_text(text)
        with DefaultScope.overwrite_default_scope(scope):
            registry = MODELS if scope == 'mmaction' else mmdet.registry.MODELS
            model = registry.build(Config.fromfile(made / f'{name}.py').model)
        torch.save(dict(state_dict=model.state_dict(), meta=meta), made / f'{name}.pth')
    init_default_scope('mmaction')
    return made


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'new' / 'results.segm.json'


def run(folder, out, *options):
    polygon_coco_ap.main([
        str(folder / 'polygon.py'), str(folder / 'polygon.pth'), '--device', 'cpu',
        '--ann-file', str(folder / 'annotations.json'), '--images', str(folder),
        '--out', str(out), *options])
    return json.loads(out.read_text())


def test_annotated_boxes_are_outlined_as_the_inferencer_does(folder, out, capsys):
    from pycocotools import mask
    results = run(folder, out)
    printed = capsys.readouterr().out
    assert '4 outlines in 2 images, annotated boxes' in printed
    assert 'coco/segm_mAP: ' in printed and 'coco/bar_precision: ' in printed
    outline, = PolygonInferencer(folder / 'polygon.py', folder / 'polygon.pth', 'cpu')(
        folder / '5.png', [[10, 10, 30, 70]])
    result, = (result for result in results if result['image_id'] == 5)
    expected = mask.decode(mask.frPyObjects([outline.polygon.ravel().tolist()], *SIZE))[..., 0]
    assert np.array_equal(mask.decode(result['segmentation']), expected)
    assert result['score'] == pytest.approx(outline.score) and result['category_id'] == 3
    assert [path.name for path in out.parent.iterdir()] == ['results.segm.json']


def test_boxes_of_a_results_file_are_outlined_the_best_first(folder, out):
    boxes = write(folder / 'boxes.json', [
        dict(image_id=0, category_id=7, bbox=[10, 10, 30, 40], score=score)
        for score in (.2, .9, .4)])
    results = run(folder, out, '--boxes', str(boxes), '--max-boxes', '2', '--score', 'box')
    assert [result['score'] for result in results] == [.9, .4]


def test_what_a_detector_finds_is_outlined_in_the_classes_of_the_annotations(folder, out, capsys):
    results = run(folder, out, '--detector', str(folder / 'detector.py'), '--detector-checkpoint',
                  str(folder / 'detector.pth'), '--max-boxes', '5')
    assert results and {result['category_id'] for result in results} <= {7, 3}
    assert 'boxes of the detector detector.py' in capsys.readouterr().out


@pytest.mark.parametrize('options, message', [
    (['--boxes', 'none.json'], 'there is no file none.json'),
    (['--detector', 'd.py'], '--detector and --detector-checkpoint go together'),
    (['--max-boxes', '0'], '--max-boxes is 0, but must be at least 1'),
    (['--images', 'nowhere'], '2 of 2 images do not exist'),
    (['--boxes', '{empty}'], 'nothing was outlined in 2 images')])
def test_what_cannot_be_evaluated_ends_with_one_line(folder, out, options, message, capsys):
    empty = write(folder / 'empty.json', [])
    with pytest.raises(SystemExit) as stopped:
        run(folder, out, *(option.format(empty=empty) for option in options))
    assert stopped.value.code == 2 and message in capsys.readouterr().err
    assert not out.parent.exists()
