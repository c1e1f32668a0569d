"""Boxes of an annotation file, of a results file, and of a real (untrained) detector of mmdet."""
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

import cbm_plugin  # noqa: F401  (absorbs upstream faults)
from cbm_plugin.polygon.data.coco_file import CocoFile
from cbm_plugin.polygon.evaluation.boxes import (
    Boxes,
    Detector,
    annotated_boxes,
    class_numbers,
    read_boxes,
)

from ..coco_folder import content, make, write


@pytest.fixture
def coco(tmp_path):
    return CocoFile(make(tmp_path))


def test_annotated_boxes_are_those_of_all_objects_but_crowds(coco):
    found = annotated_boxes(coco)
    assert {image: len(boxes.boxes) for image, boxes in found.items()} == {0: 3, 5: 1}
    assert found[5].boxes.tolist() == [[10, 10, 30, 70]]
    assert found[0].labels.tolist() == [1, 1, 0] and found[5].labels.tolist() == [0]
    assert coco.classes == ('bar', 'disc') and set(found[0].scores) == {1.}


def test_a_results_file_gives_corners_labels_and_scores(coco, tmp_path):
    path = write(tmp_path / 'found.json', [
        dict(image_id=0, category_id=3, bbox=[1, 2, 30, 40], score=0.25),
        dict(image_id=0, category_id=7, bbox=[5, 6, 7, 8], score=0.75)])
    boxes, = read_boxes(path, coco).values()
    assert boxes.boxes.tolist() == [[1, 2, 31, 42], [5, 6, 12, 14]]
    assert boxes.labels.tolist() == [0, 1] and boxes.scores.tolist() == [0.25, 0.75]


def test_boxes_that_cannot_be_outlined_are_left_out(coco, tmp_path):
    path = write(tmp_path / 'found.json', [
        dict(image_id=5, category_id=3, bbox=bbox, score=0.5)
        for bbox in ([1, 2, 0, 40], [100, 2, 5, 5], [-9, -9, 5, 5], [-9, -9, 10, 10])])
    assert read_boxes(path, coco)[5].boxes.tolist() == [[-9, -9, 1, 1]]


def test_the_best_boxes_come_highest_first_and_the_first_of_equals():
    boxes = Boxes.of_rows([(0, 0, number, 1, number, score)
                           for number, score in enumerate([.5, .9, .5, .1])])
    assert boxes.best(3).labels.tolist() == [1, 0, 2]
    assert Boxes.of_rows([]).best(3).boxes.shape == (0, 4)


@pytest.mark.parametrize('change, message', [
    (dict(image_id=1), r'entry 1 \(from 0\): image_id 1 is not in .*annotations.json'),
    (dict(category_id=1), 'category_id 1 is not in'),
    (dict(bbox=[1, 2, 3]), r'bbox is \[1, 2, 3\], but must be x, y, width, height'),
    (dict(bbox=['a', 2, 3, 4]), 'must be x, y, width, height'),
    (dict(score=None), 'score is None, but must be a number')])
def test_entries_that_make_no_sense_are_refused_by_number(coco, tmp_path, change, message):
    good = dict(image_id=0, category_id=3, bbox=[1, 2, 3, 4], score=0.5)
    with pytest.raises(ValueError, match=message):
        read_boxes(write(tmp_path / 'found.json', [good, dict(good, **change)]), coco)


def test_files_in_another_format_are_refused(coco, tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no file .*none.json'):
        CocoFile(tmp_path / 'none.json')
    with pytest.raises(ValueError, match='must be one list of'):
        read_boxes(coco.path, coco)
    (tmp_path / 'half.json').write_text('[1, ')
    with pytest.raises(ValueError, match='half.json is no json file'):
        read_boxes(tmp_path / 'half.json', coco)
    with pytest.raises(ValueError, match="no list 'images'"):
        CocoFile(write(tmp_path / 'list.json', []))
    lacking = content()
    del lacking['annotations'][2]['area']
    with pytest.raises(ValueError, match=r'annotations, entry 2 \(from 0\) lacks area'):
        CocoFile(write(tmp_path / 'lacking.json', lacking))


def test_classes_are_matched_by_name():
    assert class_numbers(('person', 'bar', 'disc'), ('disc', 'bar')).tolist() == [-1, 1, 0]
    with pytest.raises(ValueError, match='none of the classes disc, bar; its own are person'):
        class_numbers(('person',), ('disc', 'bar'))


DETECTOR = """
_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
model = dict(
    backbone=dict(init_cfg=None, base_channels=8),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=8),
    bbox_head=dict(num_classes=3, in_channels=8, feat_channels=8, stacked_convs=1),
    test_cfg=dict(score_thr=0.0, max_per_img=20))
"""


@pytest.fixture
def detector(tmp_path):
    """Untrained, with three classes; its config and checkpoint."""
    from mmdet.registry import MODELS
    config, checkpoint = tmp_path / 'detector.py', tmp_path / 'detector.pth'
    config.write_text(DETECTOR)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(Config.fromfile(config).model)
    torch.save(dict(state_dict=model.state_dict(),
                    meta=dict(dataset_meta=dict(classes=('person', 'bar', 'disc')))), checkpoint)
    return config, checkpoint


def test_a_detector_finds_boxes_of_its_own_classes_in_pixels_of_the_image(detector, coco):
    init_default_scope('mmaction')
    found = Detector(*detector)
    boxes = found(str(coco.path.parent / '0.png'))
    assert found.classes == ('person', 'bar', 'disc')
    assert 0 < len(boxes.boxes) <= 20 and boxes.boxes.dtype == np.float64
    assert (boxes.boxes >= 0).all() and (boxes.boxes <= (100, 80, 100, 80)).all()
    assert set(boxes.labels) <= {0, 1, 2} and (np.diff(boxes.scores) <= 0).all()
    assert DefaultScope.get_current_instance().scope_name == 'mmaction'


def test_without_mmdet_a_detector_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmdet.apis', None)
    with pytest.raises(ImportError, match='(?s)a detector needs mmdet.*pip install mmdet pycoco'):
        Detector('config.py', 'checkpoint.pth')
