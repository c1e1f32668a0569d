"""Mask AP of outlines: exact ones are perfect, and a value known by hand comes out."""
import sys

import cv2
import numpy as np
import pytest

import cbm_plugin  # noqa: F401  (absorbs upstream faults)
from cbm_plugin.polygon.annotation.predictions import ImageOutlines, OutlinePrediction
from cbm_plugin.polygon.data.coco_file import CocoFile
from cbm_plugin.polygon.evaluation.boxes import Boxes, annotated_boxes
from cbm_plugin.polygon.evaluation.detection import (
    cityscapes_metric,
    coco_results,
    mask_ap,
    outline_images,
)
from cbm_plugin.polygon.geometry.boundary import boundary_scores
from cbm_plugin.polygon.geometry.outline import rasterised

from ..coco_folder import OBJECTS, SIZE, bar, make, write


@pytest.fixture
def coco(tmp_path):
    return CocoFile(make(tmp_path))


def exact(coco, score=0.5):
    """The annotated parts as predictions."""
    images = {image['id']: [] for image in coco.images}
    for number, (image, category, parts) in enumerate(OBJECTS):
        images[image] += [OutlinePrediction(
            np.reshape(part, (-1, 2)), score, label=coco.labels[category], object_id=number)
            for part in parts]
    return [ImageOutlines(f'{image}.png', *SIZE, outlines, image)
            for image, outlines in images.items()]


def test_the_annotated_outlines_reach_an_ap_of_one(coco):
    values, results = mask_ap(exact(coco), coco)
    assert values['coco/segm_mAP'] == values['coco/segm_mAP_75'] == 1
    assert values['coco/disc_precision'] == values['coco/bar_precision'] == 1
    assert sorted((result['image_id'], result['category_id']) for result in results) == sorted(
        (image, category) for image, category, _ in OBJECTS)  # two parts are one object


def test_one_of_two_found_before_a_wrong_one_is_51_of_101(coco):
    first, second = exact(coco)
    discs = [outline for outline in first.outlines if outline.label == coco.labels[7]]
    wrong = OutlinePrediction(np.reshape(bar(0, 70, 9, 79), (-1, 2)), 0.1, label=coco.labels[7])
    images = [ImageOutlines('0.png', *SIZE, [discs[0], wrong], 0), second]
    values, _ = mask_ap(images, coco)
    # recall reaches .5 at precision 1: 51 of the 101 recall points of COCO
    assert values['coco/disc_precision'] == pytest.approx(51 / 101, abs=5e-4)
    # of the bars the one in image 5 is found, likewise
    assert values['coco/segm_mAP'] == pytest.approx(51 / 101, abs=5e-4)


def test_a_wrong_class_counts_for_nothing(coco):
    images = [ImageOutlines(image.img_path, *SIZE, [
        OutlinePrediction(outline.polygon, 0.5, label=1 - outline.label,
                          object_id=outline.object_id) for outline in image.outlines],
        image.image_id) for image in exact(coco)]
    assert mask_ap(images, coco)[0]['coco/segm_mAP'] == 0


def test_masks_in_the_results_are_the_outlines_rasterised(coco):
    from pycocotools import mask
    for result, (_, _, parts) in zip(coco_results(exact(coco)[0], coco.category_ids), OBJECTS):
        ours = rasterised([np.reshape(part, (-1, 2)) for part in parts], *SIZE)
        theirs = mask.decode(result['segmentation'])
        assert result['segmentation']['size'] == list(SIZE)
        # COCO's border lies up to a pixel farther out
        assert boundary_scores(theirs, ours, 1.5)[0] == 1 and (ours <= theirs).mean() > 0.99
        assert result['bbox'] == mask.toBbox(result['segmentation']).tolist()


def square(path, boxes):
    """A predictor: every box itself."""
    return [OutlinePrediction(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]), 0.5)
            for x1, y1, x2, y2 in boxes]


def source(image, path):
    bar_label, disc_label = 0, 1  # the order of their ids
    rows = [(10., 10., 30., 70., bar_label, .25), (1., 1., 9., 9., disc_label, .75),
            (2., 2., 9., 9., disc_label, .1)]
    return Boxes.of_rows(rows if image['id'] == 5 else [])


@pytest.mark.parametrize('score, expected', [('product', [.375, .125]), ('box', [.75, .25])])
def test_the_best_boxes_are_outlined_with_their_label_and_score(coco, score, expected):
    empty, image = outline_images(square, coco, coco.path.parent, source, 2, score)
    assert empty.image_id == 0 and len(empty.outlines) == 0
    assert [outline.label for outline in image.outlines] == [1, 0]
    assert [outline.score for outline in image.outlines] == pytest.approx(expected)
    assert image.outlines[1].box == (10, 10, 30, 70) and image.image_id == 5
    assert mask_ap([empty, image], coco)[0]['coco/bar_precision'] == pytest.approx(
        51 / 101, abs=5e-4)


def test_annotated_boxes_go_through_the_whole_path(coco):
    boxes = annotated_boxes(coco)
    images = outline_images(square, coco, coco.path.parent, lambda image, _: boxes[image['id']])
    values, results = mask_ap(images, coco)
    assert len(results) == len(OBJECTS)
    assert values['coco/segm_mAP_50'] > 0.7 > values['coco/segm_mAP']  # discs are not square


def test_nothing_outlined_gives_no_value(coco):
    images = outline_images(square, coco, coco.path.parent, lambda *_: Boxes.of_rows([]))
    assert mask_ap(images, coco) == ({}, [])


def test_missing_images_and_unknown_scores_are_refused_before_the_first_is_outlined(coco):
    (coco.path.parent / '5.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 2 images do not exist, the first is .*5.png'):
        outline_images(square, coco, coco.path.parent, source)
    with pytest.raises(ValueError, match="score 'sum' is unknown: use product or box"):
        outline_images(square, coco, coco.path.parent, source, score='sum')


def test_an_image_whose_path_leads_out_of_the_folder_is_refused(coco):
    (coco.path.parent.parent / 'outside.png').write_bytes((coco.path.parent / '5.png').read_bytes())
    coco.images[0]['file_name'] = '../outside.png'
    with pytest.raises(ValueError, match="'../outside.png' leads out of the folder"):
        outline_images(square, coco, coco.path.parent, source)


def test_without_mmdet_the_command_that_installs_it_is_named(coco, monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmdet.evaluation', None)
    with pytest.raises(ImportError, match='(?s)mask AP needs mmdet.*pip install mmdet pycocotools'):
        mask_ap(exact(coco), coco)


def test_without_cityscapesscripts_the_command_that_installs_them_is_named(coco, monkeypatch):
    from mmdet.evaluation.metrics import cityscapes_metric as module
    monkeypatch.setattr(module, 'HAS_CITYSCAPESAPI', False)
    with pytest.raises(ImportError, match='pip install cityscapesscripts'):
        cityscapes_metric(coco, coco.path.parent)


@pytest.fixture
def city(tmp_path):
    """One picture in the folders and files of Cityscapes: two cars and a person."""
    name, shape = 'town/town_000000_000000', (200, 300)
    images, truth = tmp_path / 'leftImg8bit' / 'val', np.zeros(shape, np.uint16)
    outlines = [(26, 'car', bar(10, 10, 90, 80)), (26, 'car', bar(120, 20, 200, 110)),
                (24, 'person', bar(220, 30, 260, 160))]
    annotations = []
    for number, (label_id, category, outline) in enumerate(outlines):
        x1, y1, x2, y2 = map(int, (*outline[:2], *outline[4:6]))
        truth[y1:y2, x1:x2] = label_id * 1000 + number
        annotations.append(dict(
            id=number, image_id=0, category_id=('person', 'car').index(category) + 24, iscrowd=0,
            bbox=[x1, y1, x2 - x1, y2 - y1], area=(x2 - x1) * (y2 - y1), segmentation=[outline]))
    for path, picture in (
            (images / f'{name}_leftImg8bit.png', np.zeros(shape, np.uint8)),
            (tmp_path / 'gtFine' / 'val' / f'{name}_gtFine_instanceIds.png', truth)):
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), picture)
    coco = CocoFile(write(tmp_path / 'val.json', dict(
        images=[dict(id=0, file_name=f'{name}_leftImg8bit.png', height=200, width=300)],
        categories=[dict(id=24, name='person'), dict(id=25, name='car')],
        annotations=annotations)))
    return coco, images


def cityscapes_scripts() -> None:
    """Skips without cityscapesscripts, which the tests do not install: it brings the old `typing`
    from the package index, and wherever site-packages come first (PYTHONPATH, pip install
    --target) that stands in the way of Python's own, so that nothing can be imported.
    """
    pytest.importorskip('cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling',
                        reason='cityscapesscripts is not installed (it breaks environments)')


def test_cityscapes_own_metric_gives_one_for_exact_outlines_and_half_for_one_of_two_cars(city):
    cityscapes_scripts()
    coco, folder = city
    boxes = annotated_boxes(coco)[0]
    for kept, expected in ((boxes, 1.), (boxes.best(1), .25), (Boxes.of_rows([]), 0.)):
        images = outline_images(square, coco, folder, lambda *_, kept=kept: kept)
        values, _ = mask_ap(images, coco, folder)
        # the first car alone: half of the cars, none of the persons
        assert values['cityscapes/mAP'] == pytest.approx(expected, abs=0.03)
        assert values['cityscapes/AP@50'] == pytest.approx(expected, abs=0.03)


def test_other_classes_and_missing_annotation_images_are_refused_for_cityscapes(city, coco):
    cityscapes_scripts()
    with pytest.raises(ValueError, match="class 'bar' .* is none of Cityscapes' instance classes"):
        cityscapes_metric(coco, coco.path.parent)
    with pytest.raises(FileNotFoundError, match='no annotation image for .*leftImg8bit.png'):
        cityscapes_metric(city[0], city[1].parent)
