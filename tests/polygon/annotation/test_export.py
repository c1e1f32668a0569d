"""Exported outlines are read back by the formats' own readers, vertex by vertex."""
import json
from pathlib import Path
from typing import List, NamedTuple

import cv2
import numpy as np
import pytest

from cbm_plugin.polygon.annotation.export import coco_dict, export, file_name
from cbm_plugin.polygon.annotation.predictions import ImageOutlines, OutlinePrediction
from cbm_plugin.polygon.geometry.outline import rasterised

CLASSES = ('person', 'rider', 'car')
CAR = np.array([[3.25, 2.5], [20, 3], [24.123, 14], [10, 18.75]], np.float32)
PERSON = np.array([[30, 4], [34, 4], [36, 25], [29, 26], [28, 12]], np.float32)
HEAD = np.array([[30.5, 0], [33.5, 0], [33.5, 3]], np.float32)


@pytest.fixture
def images(tmp_path: Path) -> List[ImageOutlines]:
    """Two real images: one with a car and a person of two parts, one with a car without a score."""
    (tmp_path / 'images' / 'aachen').mkdir(parents=True)
    paths = [tmp_path / 'images' / 'aachen' / 'aachen_000000_000019_leftImg8bit.png',
             tmp_path / 'images' / 'straße.jpg']
    for path in paths:
        path.write_bytes(cv2.imencode(path.suffix, np.zeros((30, 40, 3), np.uint8))[1].tobytes())
    return [
        ImageOutlines(str(paths[0]), 30, 40, [
            OutlinePrediction(CAR, 0.75, (3, 2, 25, 19), 2),
            OutlinePrediction(PERSON, 0.5, (28, 4, 36, 26), 0, object_id=7),
            OutlinePrediction(HEAD, 0.25, (30, 0, 34, 3), 0, object_id=7)]),
        ImageOutlines(str(paths[1]), 30, 40, [OutlinePrediction(CAR + 1, label=2)])]


def written(polygon: np.ndarray) -> np.ndarray:
    """What is left of coordinates in hundredths."""
    return polygon.astype(np.float64).round(2)


# --- COCO


def test_pycocotools_reads_ids_classes_sizes_scores_and_vertices(
        images: List[ImageOutlines], tmp_path: Path) -> None:
    from pycocotools.coco import COCO
    [path] = export(images, tmp_path / 'out', CLASSES, 'coco')
    coco = COCO(str(path))
    assert {key: value['name'] for key, value in coco.cats.items()} == {
        1: 'person', 2: 'rider', 3: 'car'}
    names = [coco.imgs[key]['file_name'] for key in (1, 2)]
    assert names == ['aachen/aachen_000000_000019_leftImg8bit.png', 'straße.jpg']
    assert all((image['height'], image['width']) == (30, 40) for image in coco.imgs.values())
    car, person, other = (coco.anns[key] for key in (1, 2, 3))
    assert [car['image_id'], person['image_id'], other['image_id']] == [1, 1, 2]
    assert [car['category_id'], person['category_id'], other['category_id']] == [3, 1, 3]
    assert car['score'] == 0.75 and person['score'] == 0.375 and 'score' not in other
    for annotation, parts in ((car, [CAR]), (person, [PERSON, HEAD]), (other, [CAR + 1])):
        read = [np.reshape(part, (-1, 2)) for part in annotation['segmentation']]
        assert len(read) == len(parts)
        assert all(np.array_equal(a, written(b)) for a, b in zip(read, parts))
        corners = np.concatenate([written(part) for part in parts])
        x, y, w, h = annotation['bbox']
        assert np.allclose([x, y, x + w, y + h], [*corners.min(axis=0), *corners.max(axis=0)])


def test_the_masks_that_pycocotools_draws_cover_the_area_that_was_written(
        images: List[ImageOutlines], tmp_path: Path) -> None:
    from pycocotools.coco import COCO
    coco = COCO(str(export(images, tmp_path, CLASSES, 'coco')[0]))
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        ours = rasterised([np.reshape(part, (-1, 2)) for part in annotation['segmentation']],
                          30, 40)
        assert (mask != ours).mean() < 0.02
        assert annotation['area'] == pytest.approx(ours.sum(), rel=0.06)


def test_the_annotations_alone_are_a_results_file(images: List[ImageOutlines],
                                                  tmp_path: Path) -> None:
    from pycocotools.coco import COCO
    [path] = export(images[:1], tmp_path, CLASSES, 'coco')
    results = json.loads(path.read_text())['annotations']
    found = COCO(str(path)).loadRes(results)
    assert [found.anns[key]['score'] for key in (1, 2)] == [0.75, 0.375]
    assert np.array_equal(np.reshape(found.anns[1]['segmentation'][0], (-1, 2)), written(CAR))


def test_ids_of_images_and_categories_may_be_given(images: List[ImageOutlines]) -> None:
    image = ImageOutlines('a.jpg', 30, 40, images[0].outlines, image_id=139)
    content = coco_dict([image], CLASSES, category_ids=[1, 18, 90])
    assert content['images'][0]['id'] == 139
    assert [(a['image_id'], a['category_id']) for a in content['annotations']] == [
        (139, 90), (139, 1)]
    with pytest.raises(ValueError, match=r'category_ids \[1, 1, 2\] must be as many different'):
        coco_dict([image], CLASSES, category_ids=[1, 1, 2])
    with pytest.raises(ValueError, match=r'different ids, got \[139, 139\]'):
        coco_dict([image, image], CLASSES)


def test_our_coco_data_set_reads_its_own_export(images: List[ImageOutlines],
                                                tmp_path: Path) -> None:
    from cbm_plugin.polygon.data.coco import CocoPolygons
    [path] = export(images, tmp_path / 'out', CLASSES, 'coco')
    dataset = CocoPolygons(str(path), data_prefix=dict(img=str(tmp_path / 'images')))
    read = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [info['category'] for info in read] == [2, 0, 0, 2] and not dataset.skipped
    for info, polygon in zip(read, (CAR, PERSON, HEAD, CAR + 1)):
        assert np.allclose(info['parts'][0], written(polygon), atol=1e-5)
    assert len({info['object_id'] for info in read}) == 3


# --- Cityscapes


class CsPoly(NamedTuple):
    """An object as cityscapesscripts' ``CsPoly.fromJsonText`` holds it."""
    label: str
    polygon: List[tuple]
    deleted: int


def read_cityscapes(path: Path) -> dict:
    """As cityscapesscripts' ``Annotation.fromJsonText`` does, and stricter: no further entries."""
    content = json.loads(path.read_text(encoding='utf-8'))
    assert set(content) == {'imgHeight', 'imgWidth', 'objects'}
    assert type(content['imgHeight']) is type(content['imgWidth']) is int
    objects = []
    for entry in content['objects']:
        assert set(entry) == {'label', 'polygon'} and isinstance(entry['label'], str)
        assert all(isinstance(value, (int, float)) for x, y in entry['polygon'] for value in (x, y))
        objects.append(CsPoly(entry['label'], [(p[0], p[1]) for p in entry['polygon']],
                              entry.get('deleted', 0)))
    return dict(size=(content['imgHeight'], content['imgWidth']), objects=objects)


def test_cityscapes_files_hold_all_parts_with_the_surest_in_front(
        images: List[ImageOutlines], tmp_path: Path) -> None:
    first, second = export(images, tmp_path / 'out', CLASSES, 'cityscapes')
    assert first.name == 'aachen_000000_000019_gtFine_polygons.json'
    assert second.name == 'straße_gtFine_polygons.json'
    read = read_cityscapes(first)
    assert read['size'] == (30, 40)
    assert [item.label for item in read['objects']] == ['person', 'person', 'car']
    for item, polygon in zip(read['objects'], (HEAD, PERSON, CAR)):
        assert np.array_equal(item.polygon, written(polygon))


def test_our_cityscapes_data_set_reads_its_own_export(tmp_path: Path) -> None:
    from cbm_plugin.polygon.data.cityscapes import CityscapesPolygons
    path = tmp_path / 'leftImg8bit' / 'train' / 'ulm' / 'ulm_000000_000019_leftImg8bit.png'
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))
    image = ImageOutlines(str(path), 30, 40, [OutlinePrediction(CAR, 0.5, label=2),
                                              OutlinePrediction(PERSON, 0.75, label=0)])
    export([image], tmp_path / 'gtFine' / 'train' / 'ulm', CLASSES, 'cityscapes')
    dataset = CityscapesPolygons(data_root=str(tmp_path))
    read = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [dataset.metainfo['classes'][info['category']] for info in read] == ['car', 'person']
    assert [Path(info['img_path']) for info in read] == [path, path] and not dataset.skipped
    for info, polygon in zip(read, (CAR, PERSON)):
        assert np.allclose(info['parts'][0], written(polygon), atol=1e-5)


# --- LabelMe


def read_labelme(path: Path) -> dict:
    """As labelme's ``LabelFile.load`` does, and stricter: exactly the entries that it writes."""
    content = json.loads(path.read_text(encoding='utf-8'))
    assert set(content) == {'version', 'flags', 'shapes', 'imagePath', 'imageData', 'imageHeight',
                            'imageWidth'}
    assert isinstance(content['version'], str) and content['flags'] == {}
    assert content['imageData'] is None and '\\' not in content['imagePath']
    image = cv2.imdecode(np.fromfile(path.parent / content['imagePath'], np.uint8), 1)
    assert image.shape[:2] == (content['imageHeight'], content['imageWidth'])
    for shape in content['shapes']:
        assert set(shape) == {'label', 'points', 'group_id', 'description', 'shape_type', 'flags'}
        assert isinstance(shape['label'], str) and isinstance(shape['description'], str)
        assert shape['shape_type'] == 'polygon' and shape['flags'] == {}
        assert shape['group_id'] is None or isinstance(shape['group_id'], int)
        assert shape['points'] and all(
            len(point) == 2 and all(isinstance(value, (int, float)) for value in point)
            for point in shape['points'])
    return content


def test_labelme_files_hold_shapes_scores_and_groups_and_find_their_image(
        images: List[ImageOutlines], tmp_path: Path) -> None:
    first, second = export(images, tmp_path / 'deep' / 'out', CLASSES, 'labelme')
    assert (first.name, second.name) == ('aachen_000000_000019_leftImg8bit.json', 'straße.json')
    shapes = read_labelme(first)['shapes']
    assert [shape['label'] for shape in shapes] == ['car', 'person', 'person']
    assert [shape['group_id'] for shape in shapes] == [None, 1, 1]
    assert shapes[0]['description'] == 'score 0.7500'
    for shape, polygon in zip(shapes, (CAR, PERSON, HEAD)):
        assert np.array_equal(shape['points'], written(polygon))
    [shape] = read_labelme(second)['shapes']
    assert shape['description'] == ''


# --- all


def test_an_image_without_outlines_is_written_as_such(tmp_path: Path) -> None:
    empty = ImageOutlines(str(tmp_path / 'a.png'), 3, 4, [])
    [coco] = export([empty], tmp_path, CLASSES, 'coco')
    [cityscapes] = export([empty], tmp_path, CLASSES, 'cityscapes')
    assert json.loads(coco.read_text())['annotations'] == []
    assert read_cityscapes(cityscapes) == dict(size=(3, 4), objects=[])


@pytest.mark.parametrize('outline, said', [
    (OutlinePrediction(CAR[:2]), r'outline 1: a polygon is \(n, 2\) with n of at least 3'),
    (OutlinePrediction(CAR * np.nan), 'a coordinate is not finite'),
    (OutlinePrediction(CAR[[0, 1, 1]]), 'the polygon has no area'),
    (OutlinePrediction(CAR * 1e-4), 'the polygon has no area'),
    (OutlinePrediction(CAR, label=3), 'label 3 has no name: there are 3 classes'),
    (OutlinePrediction(CAR, label=-1), 'label -1 has no name'),
    (OutlinePrediction(CAR, score=1.5), 'score 1.5 is not in 0 to 1'),
    (OutlinePrediction(CAR, score=float('nan')), 'score nan is not in 0 to 1'),
])
@pytest.mark.parametrize('kind', ['coco', 'cityscapes', 'labelme'])
def test_what_is_no_outline_is_refused_by_number_and_nothing_is_written(
        tmp_path: Path, kind: str, outline: OutlinePrediction, said: str) -> None:
    good = ImageOutlines('good.png', 30, 40, [OutlinePrediction(CAR)])
    bad = ImageOutlines('bad.png', 30, 40, [OutlinePrediction(CAR), outline])
    with pytest.raises(ValueError, match=f'bad.png, {said}' if 'outline 1' in said else said):
        export([good, bad], tmp_path / 'out', CLASSES, kind)
    assert not (tmp_path / 'out').exists()


def test_parts_of_one_object_have_one_class() -> None:
    image = ImageOutlines('a.png', 30, 40, [OutlinePrediction(CAR, label=1, object_id=5),
                                            OutlinePrediction(HEAD, label=2, object_id=5)])
    with pytest.raises(ValueError, match=r'a.png, object 5: its parts have the labels \[1, 2\]'):
        coco_dict([image], CLASSES)


def test_images_of_one_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    pair = [ImageOutlines(f'{folder}/a.png', 30, 40, []) for folder in ('x', 'y')]
    with pytest.raises(ValueError, match='two images have the file'):
        export(pair, tmp_path / 'out', CLASSES, 'labelme')
    assert not (tmp_path / 'out').exists()
    assert len(json.loads(export(pair, tmp_path, CLASSES, 'coco')[0].read_text())['images']) == 2


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'voc' is unknown: use coco, cityscapes, labelme"):
        export([], tmp_path, CLASSES, 'voc')


def test_the_file_is_named_after_its_image() -> None:
    assert file_name('x/b_leftImg8bit.png', 'cityscapes') == 'b_gtFine_polygons.json'
    assert file_name('x/b.c.png', 'cityscapes') == 'b.c_gtFine_polygons.json'
    assert file_name('x/b.c.png', 'labelme') == 'b.c.json'
