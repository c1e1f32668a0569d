"""Shapes: the outlines are those of the visible pixels, and the files hold what was drawn."""
import json
import multiprocessing
from collections import Counter
from pathlib import Path
from typing import List, Tuple

import cv2
import numpy as np
import pytest

from cbm_plugin.polygon.geometry.outline import is_simple, rasterised
from cbm_plugin.synthetic import scenes, shapes
from cbm_plugin.synthetic.scenes import FINE, MIN_VISIBLE, draw_scene, visible_parts
from cbm_plugin.synthetic.shape_classes import SHAPE_CLASSES, draw_outline
from cbm_plugin.synthetic.shapes import make_shapes

SIZE = 192


def files_below(folder: Path) -> dict:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def square(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], float)


def covered_by(*rectangles: Tuple[int, int, int, int]) -> np.ndarray:
    """A fine mask of 100x100 pixels."""
    mask = np.zeros((100 * FINE, 100 * FINE), np.uint8)
    for x1, y1, x2, y2 in rectangles:
        mask[y1 * FINE:y2 * FINE, x1 * FINE:x2 * FINE] = 255
    return mask


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotations of 12 images."""
    return make_shapes(tmp_path_factory.mktemp('shapes'), 'train', 12, seed=0)


# What is drawn.


@pytest.mark.parametrize('seed', range(4))
def test_an_outline_encloses_the_pixels_that_show_the_object(
        seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw() -> tuple:
        return draw_scene([seed, 1, 4, 2, 5], np.random.default_rng(seed), SIZE)

    objects = draw()[1]
    paint = scenes._paint
    monkeypatch.setattr(scenes, '_shade', lambda *_: None)
    monkeypatch.setattr(scenes, 'photographed', lambda surface, rng: surface[0])
    for found in objects:
        def paint_black_or_white(surface: np.ndarray, outline: np.ndarray, rng: object,
                                 white: np.ndarray = found.outline) -> None:
            grey = 255 * np.array_equal(outline, white)
            monkeypatch.setattr(scenes, 'fill', lambda rng, height, width: np.full(
                (3, height, width), grey, np.float32))
            paint(surface, outline, rng)

        monkeypatch.setattr(scenes, '_paint', paint_black_or_white)
        monkeypatch.setattr(scenes, 'fill', lambda rng, height, width: np.zeros(
            (3, height, width), np.float32))
        shown = draw()[0]
        drawn = rasterised(found.parts, SIZE, SIZE) > 0
        assert iou(shown > 127, drawn) > 0.97
        area = sum(cv2.contourArea(part.astype(np.float32)) for part in found.parts)
        assert area == pytest.approx(shown.sum() / 255, rel=0.02)


def test_what_is_hidden_by_another_object_is_in_the_outline_of_that_one_only() -> None:
    shared = dict(visible=0, whole=0)
    total = 0
    for seed in range(20):
        objects = draw_scene(range(6), np.random.default_rng(seed), SIZE)[1]
        for key, outlines in (('visible', [found.parts for found in objects]),
                              ('whole', [[found.outline] for found in objects])):
            masks = [rasterised(parts, SIZE, SIZE) for parts in outlines]
            shared[key] += int((np.sum(masks, 0) > 1).sum())
        total += int(np.sum(masks))
    # Outlines are smoothed by up to .3 of a pixel.
    assert shared['visible'] < 0.002 * total and shared['whole'] > 0.03 * total


def test_a_branch_across_an_object_leaves_two_parts() -> None:
    parts = visible_parts(square(20, 30, 80, 70), covered_by((45, 0, 50, 100)))
    boxes = sorted((*part.min(0), *part.max(0)) for part in parts)
    assert boxes == [(20, 30, 45, 70), (50, 30, 80, 70)]


def test_what_lies_outside_the_image_is_not_visible() -> None:
    part, = visible_parts(square(-10, 20, 50, 60), covered_by())
    assert (*part.min(0), *part.max(0)) == (0, 20, 50, 60)


@pytest.mark.parametrize('rectangle, why', [
    ((40, 40, 50, 50), 'a hole'),
    ((20, 0, 60, 100), 'two thirds are hidden'),
    ((23, 0, 28, 100), 'a part of 3 pixels width, which is too small'),
])
def test_an_object_with(rectangle: tuple, why: str) -> None:
    assert visible_parts(square(20, 30, 80, 60), covered_by(rectangle)) is None, why


def test_every_object_shows_most_of_itself_by_outlines_that_do_not_cross_themselves() -> None:
    for seed in range(10):
        for found in draw_scene(range(6), np.random.default_rng(seed), SIZE)[1]:
            assert all(is_simple(part) for part in found.parts)
            areas = [cv2.contourArea(part.astype(np.float32)) for part in found.parts]
            whole = cv2.contourArea(found.outline.astype(np.float32))
            assert min(areas) > scenes.MIN_PART - 10
            assert MIN_VISIBLE - 0.02 < sum(areas) / whole < 1.02


@pytest.mark.parametrize('name', SHAPE_CLASSES)
def test_an_outline_is_new_each_time_and_never_crosses_itself(name: str) -> None:
    rng = np.random.default_rng(0)
    outlines = [draw_outline(name, rng) for _ in range(200)]
    assert all(is_simple(outline) for outline in outlines)
    assert np.allclose([np.linalg.norm(outline, axis=1).max() for outline in outlines], 1)
    areas = {round(cv2.contourArea(outline.astype(np.float32)), 4) for outline in outlines}
    assert len(areas) > 150


def test_neither_boxes_nor_convex_hulls_outline_the_objects_well() -> None:
    box, hull = [], []
    for seed in range(30):
        for found in draw_scene(range(6), np.random.default_rng(seed), SIZE)[1]:
            for part in found.parts:
                part = part.astype(np.float32)
                area = cv2.contourArea(part)
                box.append(area / np.prod(part.max(0) - part.min(0)))
                hull.append(area / cv2.contourArea(cv2.convexHull(part)))
    assert np.mean(box) < 0.55 and np.mean(hull) < 0.8


# The files.


def test_every_class_occurs_equally_often_in_every_four_images() -> None:
    for start in range(0, 400, 4):
        labels: List[int] = sum((shapes.labels_of('train', 0, start + i) for i in range(4)), [])
        assert Counter(labels) == {label: 3 for label in range(len(SHAPE_CLASSES))}


def test_coco_reads_the_annotations_and_the_images_have_their_size(written: Path) -> None:
    from pycocotools.coco import COCO
    coco = COCO(str(written))
    assert [coco.cats[i]['name'] for i in sorted(coco.cats)] == list(SHAPE_CLASSES)
    assert len(coco.imgs) == 12 and len(coco.anns) == 3 * 18
    for image in coco.imgs.values():
        pixels = cv2.imread(str(written.parent / image['file_name']), cv2.IMREAD_UNCHANGED)
        assert pixels.shape == (image['height'], image['width'], 3)
    for annotation in coco.anns.values():
        assert coco.annToMask(annotation).sum() == pytest.approx(annotation['area'], rel=0.05)
        x, y = np.concatenate([np.reshape(s, (-1, 2)) for s in annotation['segmentation']]).T
        left, top, width, height = annotation['bbox']
        assert [x.min(), y.min(), np.ptp(x), np.ptp(y)] == [left, top, width, height]
        assert left >= 0 and top >= 0 and left + width <= SIZE and top + height <= SIZE


def test_a_set_made_twice_with_one_seed_is_the_same_to_the_byte(written: Path,
                                                                tmp_path: Path) -> None:
    again = make_shapes(tmp_path, 'train', 12, seed=0)
    assert files_below(again.parent) == files_below(written.parent)


@pytest.mark.parametrize('other', [dict(seed=8), dict(split='val')])
def test_another_seed_or_split_gives_other_images(tmp_path: Path, other: dict) -> None:
    parameters = dict(split='train', num_images=3, seed=7)
    one = make_shapes(tmp_path, **parameters)
    two = make_shapes(tmp_path, **{**parameters, **other})
    images = [{path.read_bytes() for path in made.parent.glob('images/*')} for made in (one, two)]
    assert not images[0] & images[1]


def test_a_larger_set_begins_with_the_images_of_a_smaller_one(written: Path,
                                                              tmp_path: Path) -> None:
    small = make_shapes(tmp_path, 'train', 5, seed=0)
    large = json.loads(written.read_text())
    for key, found in json.loads(small.read_text()).items():
        assert key == 'info' or found == large[key][:len(found)]
    for image in small.parent.glob('images/*'):
        assert image.read_bytes() == (written.parent / 'images' / image.name).read_bytes()


# Made once, whole or not at all.


def test_a_finished_set_is_not_written_again(tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_shapes(tmp_path, 'train', 2, seed=0)
    monkeypatch.setattr(shapes, '_write_set', lambda *_: pytest.fail('written again'))
    assert make_shapes(tmp_path, 'train', 2, seed=0) == path


@pytest.mark.parametrize('lost', ['images/000001.jpg', 'annotations.json', 'manifest.json'])
def test_a_damaged_set_is_made_again(tmp_path: Path, lost: str) -> None:
    folder = make_shapes(tmp_path, 'train', 2, seed=0).parent
    whole = files_below(folder)
    (folder / lost).unlink()
    make_shapes(tmp_path, 'train', 2, seed=0)
    assert files_below(folder) == whole
    assert list(tmp_path.iterdir()) == [folder]


def test_an_interrupted_making_leaves_nothing_behind(tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    draw, drawn = shapes.draw_scene, []

    def draw_two(*arguments: object) -> tuple:
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(1)
        return draw(*arguments)

    monkeypatch.setattr(shapes, 'draw_scene', draw_two)
    with pytest.raises(KeyboardInterrupt):
        make_shapes(tmp_path, 'train', 4, seed=0)
    assert len(drawn) == 2 and list(tmp_path.iterdir()) == []


def test_processes_that_make_one_set_at_once_both_get_it_whole(tmp_path: Path) -> None:
    with multiprocessing.get_context('spawn').Pool(2) as pool:
        paths = pool.starmap(make_shapes, [(tmp_path, 'train', 12, 0)] * 4)
    assert len(set(paths)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [paths[0].parent.name]
    assert len(list(paths[0].parent.glob('images/*'))) == 12


# Wrong arguments.


@pytest.mark.parametrize('wrong, words', [
    (dict(size=64), 'size=64 .* use 96 or more'),
    (dict(num_images=0), 'num_images=0'),
    (dict(seed=-1), 'seed=-1'),
    (dict(split='../train'), "split='../train' cannot name a folder"),
])
def test_a_wrong_argument_is_named_with_its_bound(tmp_path: Path, wrong: dict,
                                                  words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_shapes(**{**dict(root=tmp_path, split='train', num_images=2, seed=0), **wrong})
    assert list(tmp_path.iterdir()) == []
