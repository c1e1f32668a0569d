"""The demo outlines real images by boxes from everywhere, and says what is wrong in one line."""
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

from cbm_plugin.polygon import PolygonInferencer
from cbm_plugin.registry import MODELS

from ..faults.loading import ATTACKS, checkpoint
from ..polygon.annotation.test_inferencer import CONFIG
from ..tiny_run import ROOT

TOOL = ROOT / 'tools/demo/polygon_demo.py'
sys.path.insert(0, str(TOOL.parent))

import polygon_demo  # noqa: E402

BOXES = [[5., 6., 40., 50.], [50., 20., 110., 80.]]
DETECTOR = """
default_scope = 'mmdet'
norm = dict(type='BN', requires_grad=True)
model = dict(
    type='FCOS', data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=18, base_channels=8, norm_cfg=norm),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, start_level=1,
              add_extra_convs='on_output', num_outs=5),
    bbox_head=dict(
        type='FCOSHead', num_classes=2, in_channels=8, feat_channels=8, stacked_convs=1,
        norm_cfg=None, loss_cls=dict(type='FocalLoss'), loss_bbox=dict(type='IoULoss'),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True)),
    test_cfg=dict(nms_pre=100, min_bbox_size=0, score_thr=0.0,
                  nms=dict(type='nms', iou_threshold=0.5), max_per_img=4))
test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(120, 96), keep_ratio=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                                          'scale_factor'))]
test_dataloader = dict(dataset=dict(
    type='CocoDataset', metainfo=dict(classes=('cat', 'dog')), pipeline=test_pipeline))
"""


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config, a checkpoint of its model, and two pictures of different sizes."""
    folder = tmp_path_factory.mktemp('polygon_demo')
    (folder / 'tiny.py').write_text(CONFIG)
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(folder / 'tiny.py').model)
    torch.save(dict(meta={}, state_dict=model.state_dict()), folder / 'tiny.pth')
    for name, size in (('7.png', (120, 90)), ('street.jpg', (160, 100))):
        noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(noise, size))
    return folder


def run(made: Path, *argv: object, images: tuple = ('7.png',)) -> None:
    polygon_demo.main([*(str(made / image) for image in images), str(made / 'tiny.py'),
                       str(made / 'tiny.pth'), '--device', 'cpu', *map(str, argv)])


def refusal(made: Path, capsys: pytest.CaptureFixture, *argv: object, **options: Any) -> str:
    """What the tool says as it ends."""
    with pytest.raises(SystemExit) as end:
        run(made, *argv, **options)
    assert end.value.code == 2
    return capsys.readouterr().err


def boxes_file(folder: Path, content: object) -> Path:
    (folder / 'boxes.json').write_text(json.dumps(content))
    return folder / 'boxes.json'


def annotations(out: Path) -> List[dict]:
    return json.loads((out / 'outlines_coco.json').read_text())['annotations']


def test_outlines_of_the_given_boxes_are_drawn_and_exported(
        made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run(made, '--boxes', '5,6,40,50', '50,20,110,80', '--out', tmp_path / 'new' / 'out',
        images=('7.png', 'street.jpg'))
    out = tmp_path / 'new' / 'out'
    assert {path.name for path in out.iterdir()} == {
        '7_outlines.png', 'street_outlines.png', 'outlines_coco.json'}
    picture = cv2.imread(str(out / 'street_outlines.png'))
    assert picture.shape == (500, 800, 3)
    plain = cv2.resize(cv2.imread(str(made / 'street.jpg')), (800, 500),
                       interpolation=cv2.INTER_CUBIC)
    changed = (picture != plain).any(axis=2)
    assert changed[:425, :570].mean() > 0.05 and not changed[425:].any()
    expected = PolygonInferencer(made / 'tiny.py', made / 'tiny.pth', 'cpu')(
        made / '7.png', BOXES)
    for annotation, outline in zip(annotations(out), expected):
        assert np.allclose(annotation['segmentation'][0], outline.polygon.ravel(), atol=0.006)
        assert annotation['score'] == pytest.approx(outline.score)
    printed = capsys.readouterr().out
    assert f'{made}/7.png: 2 outlines, {out}/7_outlines.png' in printed
    assert printed.rstrip().endswith(f'wrote {out}/outlines_coco.json')


@pytest.mark.parametrize('kind, names', [
    ('cityscapes', ['7_gtFine_polygons.json', 'street_gtFine_polygons.json']),
    ('labelme', ['7.json', 'street.json'])])
def test_other_formats_have_a_file_for_each_image(made: Path, tmp_path: Path, kind: str,
                                                  names: List[str]) -> None:
    run(made, '--boxes', '5,6,40,50', '--out', tmp_path, '--export', kind,
        images=('7.png', 'street.jpg'))
    assert sorted(path.name for path in tmp_path.glob('*.json')) == names


LIST = BOXES
RESULTS = [dict(image_id=7, category_id=18, bbox=[5, 6, 35, 44], score=0.9),
           dict(image_id=8, category_id=3, bbox=[1, 1, 9, 9], score=0.9),
           dict(image_id=7, category_id=3, bbox=[50, 20, 60, 60], score=0.5),
           dict(image_id=7, category_id=3, bbox=[50, 20, 60, 60], score=0.2)]
ANNOTATED = dict(
    images=[dict(id=4, file_name='x/7.png'), dict(id=9, file_name='street.jpg')],
    categories=[dict(id=18, name='dog'), dict(id=3, name='car')],
    annotations=[dict(RESULTS[0], image_id=4), dict(RESULTS[2], image_id=4),
                 dict(RESULTS[2], image_id=4, iscrowd=1), dict(RESULTS[2], image_id=9)])
RECTANGLES = dict(imagePath='..\\7.png', shapes=[
    dict(label='dog', shape_type='rectangle', points=[[40, 6], [5, 50]]),
    dict(label='dog', shape_type='polygon', points=[[1, 1], [9, 1], [9, 9]]),
    dict(label='car', shape_type='rectangle', points=[[50, 20], [110, 80]])])


@pytest.mark.parametrize('content, ids, names, image_id', [
    (LIST, [1, 1], ['object'], 1),
    (RESULTS, [18, 3], ['category 3', 'category 18'], 7),
    (ANNOTATED, [18, 3], ['car', 'dog'], 4),
    (RECTANGLES, [2, 1], ['car', 'dog'], 1)], ids=['list', 'results', 'annotations', 'labelme'])
def test_boxes_of_every_kind_of_file_give_the_same_outlines_with_their_classes(
        made: Path, tmp_path: Path, content: Any, ids: list, names: list, image_id: int) -> None:
    run(made, '--boxes-file', boxes_file(tmp_path, content), '--out', tmp_path / 'out')
    expected = PolygonInferencer(made / 'tiny.py', made / 'tiny.pth', 'cpu')(
        made / '7.png', BOXES)
    written = annotations(tmp_path / 'out')
    for annotation, outline in zip(written, expected):
        assert np.allclose(annotation['segmentation'][0], outline.polygon.ravel(), atol=0.006)
    assert [annotation['category_id'] for annotation in written] == ids
    assert {annotation['image_id'] for annotation in written} == {image_id}
    categories = json.loads((tmp_path / 'out/outlines_coco.json').read_text())['categories']
    assert [category['name'] for category in categories] == names


def test_exported_outlines_are_boxes_for_the_next_run(made: Path, tmp_path: Path) -> None:
    run(made, '--boxes', '5,6,40,50', '--out', tmp_path / 'one')
    run(made, '--boxes-file', tmp_path / 'one/outlines_coco.json', '--pred-score-thr', 0,
        '--out', tmp_path / 'two')
    [first], [second] = annotations(tmp_path / 'one'), annotations(tmp_path / 'two')
    assert first['image_id'] == second['image_id'] and first['category_id'] == 1


def test_a_detector_of_mmdet_gives_boxes_and_classes(
        made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'detector.py').write_text(DETECTOR)
    with DefaultScope.overwrite_default_scope('mmdet'):
        torch.manual_seed(0)
        model = MODELS.build(Config.fromfile(tmp_path / 'detector.py').model)
    torch.save(dict(meta=dict(dataset_meta=dict(classes=('cat', 'dog'))),
                    state_dict=model.state_dict()), tmp_path / 'detector.pth')
    run(made, '--detector', tmp_path / 'detector.py', '--detector-checkpoint',
        tmp_path / 'detector.pth', '--pred-score-thr', 0, '--out', tmp_path / 'out',
        images=('street.jpg', '7.png'))
    content = json.loads((tmp_path / 'out/outlines_coco.json').read_text())
    assert [category['name'] for category in content['categories']] == ['cat', 'dog']
    assert {item['image_id'] for item in content['annotations']} == {1, 2}
    run(made, '--detector', tmp_path / 'detector.py', '--detector-checkpoint',
        tmp_path / 'detector.pth', '--pred-score-thr', 2, '--out', tmp_path / 'none')
    assert annotations(tmp_path / 'none') == [] and ': 0 outlines' in capsys.readouterr().out


def test_mmdets_detectors_are_not_loaded_without_one(made: Path, tmp_path: Path) -> None:
    code = ('import sys\n'
            f'sys.path.insert(0, {str(TOOL.parent)!r}); import polygon_demo\n'
            'polygon_demo.main(sys.argv[1:]); assert "mmdet.apis" not in sys.modules')
    done = subprocess.run(
        [sys.executable, '-c', code, '7.png', 'tiny.py', 'tiny.pth', '--out', str(tmp_path),
         '--boxes', '5,6,40,50'], cwd=made, text=True, capture_output=True,
        env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)))
    assert done.returncode == 0, done.stderr


def test_a_missing_mmdet_is_named_with_its_remedy(
        made: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'mmdet.apis', None)
    said = refusal(made, capsys, '--detector', 'd.py', '--detector-checkpoint', 'd.pth')
    assert 'pip install mmdet pycocotools' in said


def test_images_that_cannot_be_outlined_are_named_and_left_out(
        made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    said = refusal(made, capsys, '--boxes', '130,6,150,50', '--out', tmp_path,
                   images=('7.png', 'none.jpg', 'street.jpg'))
    assert 'left out: ' in said and '7.png: box 0 is 130, 6, 150, 50: outside the image' in said
    assert 'none.jpg does not exist' in said
    assert said.rstrip().endswith('error: 2 of 3 images could not be outlined')
    assert len(annotations(tmp_path)) == 1 and (tmp_path / 'street_outlines.png').is_file()


@pytest.mark.parametrize('argv, said', [
    ([], 'one of the arguments --boxes --boxes-file --detector is required'),
    (['--boxes', '1,2,3'], "'1,2,3' must be x1,y1,x2,y2, four numbers"),
    (['--boxes', '1,2,3,4', '--boxes-file', 'x'], 'not allowed with argument'),
    (['--detector', 'x.py'], '--detector and --detector-checkpoint go together'),
    (['--detector', 'none.py', '--detector-checkpoint', 'none.pth'], 'none.py'),
    (['--boxes-file', 'none.json'], 'there is no file of boxes none.json: give a list of boxes'),
    (['--boxes-file', __file__], 'cannot be read as boxes'),
    (['--boxes', '1,2,3,4', '--batch-size', 0], 'batch_size is 0'),
    (['--boxes', '1,2,3,4', '--export', 'voc'], "invalid choice: 'voc'"),
    (['--boxes', '1,2,3,4', '--cfg-options', 'model.depth=3'], 'has no option'),
    (['--boxes', '1,2,3,4', '--cfg-options', 'model.feature_channels=5'], 'does not fit'),
], ids=lambda value: ' '.join(map(str, value))[-30:] if isinstance(value, list) else '')
def test_mistakes_are_told_in_one_line(made: Path, capsys: pytest.CaptureFixture, argv: List,
                                       said: str) -> None:
    assert said in refusal(made, capsys, *argv).strip().splitlines()[-1]


@pytest.mark.parametrize('content, said', [
    ([], 'neither boxes nor entries'), (3, 'cannot be read as boxes'), ([[1, 2]], 'neither'),
    ([dict(RESULTS[0], bbox=[1, 2])], 'cannot be read as boxes'),
    ([dict(bbox=[1, 2, 3, 4])], 'cannot be read as boxes'),
    ([dict(RESULTS[0], image_id=12)], r'has no image_id 7, but [12]'),
    (dict(ANNOTATED, images=[]), 'names no image 7.png'),
    (dict(RECTANGLES, imagePath='8.png'), 'belongs to 8.png, not to 7.png'),
    (dict(RECTANGLES, shapes=[]), 'has no shape of type rectangle')])
def test_files_that_hold_no_boxes_for_the_image_are_refused(
        made: Path, tmp_path: Path, capsys: pytest.CaptureFixture, content: Any,
        said: str) -> None:
    assert said in refusal(made, capsys, '--boxes-file', boxes_file(tmp_path, content),
                           '--out', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_two_images_of_one_name_are_refused(made: Path, capsys: pytest.CaptureFixture) -> None:
    assert 'two images are called 7: outline them in two runs' in refusal(
        made, capsys, '--boxes', '1,2,3,4', images=('7.png', 'other/7.jpg'))


def test_ctrl_c_keeps_what_was_outlined(made: Path, tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: str, *others: object) -> object:
        if 'street' in path:
            raise KeyboardInterrupt
        return outline_image(path, *others)

    outline_image = polygon_demo.outline_image
    monkeypatch.setattr(polygon_demo, 'outline_image', interrupted)
    with pytest.raises(SystemExit) as end:
        run(made, '--boxes', '5,6,40,50', '--out', tmp_path, images=('7.png', 'street.jpg'))
    assert end.value.code == 130 and len(annotations(tmp_path)) == 1


def test_a_checkpoint_that_would_run_something_is_refused(
        made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ('7.png', 'tiny.py'):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    checkpoint(ATTACKS['os.system'](str(tmp_path / 'ran')), tmp_path / 'tiny.pth')
    said = refusal(tmp_path, capsys, '--boxes', '10,10,50,50')
    assert f'tiny.pth is refused: it asks for {os.system.__module__}.system' in said
    assert not (tmp_path / 'ran').exists()
