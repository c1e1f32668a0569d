"""COCO outlines are checked when loaded: what is wrong is named and left out, the rest is used."""
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from pycocotools import mask as masks

from cbm_plugin.engine import SampleIndex
from cbm_plugin.polygon import CocoPolygons
from cbm_plugin.polygon.data.dataset import summary
from cbm_plugin.polygon.data.instances import parts_of_mask
from cbm_plugin.polygon.geometry.outline import is_simple, rasterised

from ..coco_files import BOW_TIE, HEIGHT, SQUARE, TRIANGLE, WIDTH, annotation, coco, write_coco

TRAIN = [dict(type='LoadObjectImage'),
         dict(type='CropObject', size=32, shift=0.05, scale=0.1), dict(type='FlipObject'),
         dict(type='JitterColour'), dict(type='EncodeOutline', grid_size=16),
         dict(type='SampleVertexClips', num_clips=2, min_len=2, max_len=4),
         dict(type='PackPolygonInputs')]
TEST = [TRAIN[0], dict(type='CropObject', size=32), TRAIN[-1]]


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope('mmaction')


def test_every_part_is_an_instance_in_its_own_box_and_keeps_its_object(tmp_path: Path) -> None:
    data = coco(tmp_path, [annotation(5, [SQUARE, TRIANGLE])])
    assert [data[i]['box'] for i in range(2)] == [(10, 10, 30, 30), (40, 5, 60, 35)]
    assert [data[i]['object_id'] for i in range(2)] == [5, 5]
    assert [len(data[i]['parts']) for i in range(2)] == [1, 1]


def test_annotated_boxes_hold_all_parts_of_an_object(tmp_path: Path) -> None:
    data = coco(tmp_path, [annotation(5, [SQUARE, TRIANGLE], bbox=[9, 4, 52, 32])],
                boxes_from='annotation')
    assert len(data) == 1 and data[0]['box'] == (9, 4, 61, 36)
    assert [len(part) for part in data[0]['parts']] == [4, 3]


def test_classes_are_the_files_categories_by_id_or_those_asked_for(tmp_path: Path) -> None:
    annotations = [annotation(0, [SQUARE]), annotation(1, [TRIANGLE], category_id=3)]
    data = coco(tmp_path, annotations)
    assert data.metainfo['classes'] == ('fig', 'nut')
    assert [data[i]['category'] for i in range(2)] == [1, 0]
    figs = coco(tmp_path, metainfo=dict(classes=('fig',)))
    assert len(figs) == 1 and figs[0]['category'] == 0 and not figs.skipped
    with pytest.raises(ValueError, match="has no category 'pear': .*nut"):
        coco(tmp_path, metainfo=dict(classes=('pear',)))


@pytest.mark.parametrize('bad, fault', [
    (annotation(1, [[10, 10, 20, 20]]), 'fewer than 3 different vertices'),
    (annotation(1, [[10, 10, 20, 20, 10, 10]]), 'fewer than 3 different vertices'),
    (annotation(1, [[10, 10, 20, 20, 30, 30]]), 'all vertices on one line'),
    (annotation(1, [[80, 1, 90, 1, 90, 9]]), 'outside the image'),
    (annotation(1, [[-9, 1, -2, 1, -2, 9]]), 'outside the image'),
    (annotation(1, [[10, 10, 20, 20, float('nan'), 3]]), 'coordinates are not finite'),
    (annotation(1, [['a', 1, 2, 3, 4, 5]]), 'coordinates are not numbers'),
    (annotation(1, [[1, 1, 9, 1, 9, 9, 1]]), 'coordinates are not pairs of x and y'),
    (annotation(1, [[1, 1, 2, 1, 2, 2]]), 'area below 4 square pixels'),
    (annotation(1, []), 'no polygon'),
    (annotation(1, None), 'no polygon'),
    (annotation(1, [SQUARE], iscrowd=1), 'crowd'),
    (annotation(1, dict(counts=[3, 4], size=[HEIGHT, WIDTH])), 'broken mask of run lengths'),
    (annotation(1, dict(counts=[4], size=[2, 2])), 'mask of another size than the image'),
    (annotation(1, [SQUARE], image=99), 'its image_id is not in the file'),
    (annotation(1, [SQUARE], category_id=99), 'its category_id is not in the file')])
def test_a_bad_annotation_is_left_out_with_its_name_and_fault(tmp_path: Path, bad: dict,
                                                              fault: str) -> None:
    data = coco(tmp_path, [annotation(0, [SQUARE]), bad], min_area=4)
    assert len(data) == 1 and data[0]['object_id'] == 0
    (name, message), = data.skipped
    assert message == fault and name.split()[-1] == '1'
    assert name.startswith('annotation') or '0.png, object 1' in name


@pytest.mark.parametrize('box, fault', [
    ([10, 10, 0, 5], 'box of no area'), ([10, 10, 5, -5], 'box of no area'),
    ([70, 10, 5, 5], 'outside the image'), (None, 'kept'), ([1, 2], 'box is not four numbers'),
    ([1, 2, float('inf'), 4], 'box is not finite')])
def test_a_bad_annotated_box_is_left_out_where_boxes_are_used(tmp_path: Path, box: Any,
                                                              fault: str) -> None:
    annotations = [annotation(0, [SQUARE]), annotation(1, [TRIANGLE], bbox=box)]
    assert len(coco(tmp_path, annotations)) == 2
    data = coco(tmp_path, boxes_from='annotation')
    assert [message for _, message in data.skipped] == ([] if fault == 'kept' else [fault])
    assert len(data) == 2 - len(data.skipped)


def test_a_bad_part_leaves_the_others_of_its_object(tmp_path: Path) -> None:
    data = coco(tmp_path, [annotation(4, [SQUARE, [1, 1, 2, 2], TRIANGLE])])
    assert len(data) == 2
    assert data.skipped[0][0].endswith('object 4, part 2 of 3')


def test_an_outline_that_crosses_itself_is_repaired_and_named(tmp_path: Path) -> None:
    data = coco(tmp_path, [annotation(2, [BOW_TIE])])
    assert is_simple(data[0]['parts'][0]) and not data.skipped
    (name, _), = data.repaired
    assert name.endswith('object 2')


@pytest.mark.parametrize('compressed', [False, True])
def test_a_mask_of_run_lengths_is_outlined_to_the_pixel(tmp_path: Path, compressed: bool) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:20, 7:30], mask[12:15, 20:40], mask[40:44, 50:55] = 1, 1, 1
    rle = masks.encode(np.asfortranarray(mask))
    rle['counts'] = rle['counts'].decode()
    if not compressed:
        flat = mask.ravel(order='F')
        edges = np.flatnonzero(np.diff(flat)) + 1
        rle['counts'] = np.diff([0, *edges.tolist(), flat.size]).tolist()
    data = coco(tmp_path, [annotation(0, dict(rle))], boxes_from='annotation')
    assert (rasterised(data[0]['parts'], HEIGHT, WIDTH) == mask).all()


def test_the_parts_of_a_mask_are_that_mask_with_its_holes_filled() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = np.zeros((30, 40), np.uint8)
        for x, y, w, h in rng.integers(1, 14, (5, 4)):
            mask[2 * y:2 * y + h, 2 * x:2 * x + w] = 1
        parts = parts_of_mask(mask, corner=(100, 50))
        drawn = rasterised([part - (100, 50) for part in parts], 30, 40)
        assert (drawn >= mask).all() and all(is_simple(part) for part in parts)
        assert (rasterised(parts_of_mask(drawn), 30, 40) == drawn).all()
    assert len(parts_of_mask(np.eye(3))) == 3


def test_faults_are_summed_up_with_some_of_their_names() -> None:
    found = summary([(f'{i}.png, object {i}', 'crowd') for i in range(12)] + [('a', 'no polygon')])
    assert found.startswith('crowd: 12 (0.png, object 0, ')
    assert 'and 2 more); no polygon: 1 (a)' in found


# --- files


@pytest.mark.parametrize('content, message', [
    ('{"images": [', r'ann\.json is not readable as JSON: .*line 1'),
    ('[1, 2]', 'holds a list where annotations are an object'),
    ('{"images": [], "categories": []}', "not in COCO's format: it lacks the list 'annotations'"),
    ('{"images": [], "annotations": [], "categories": [{"name": "a"}]}', "a category lacks 'id'")])
def test_a_file_that_is_no_coco_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / 'ann.json').write_text(content)
    with pytest.raises(ValueError, match=message):
        CocoPolygons('ann.json', data_root=str(tmp_path))


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'ann\.json does not exist: set data_root'):
        CocoPolygons('ann.json', data_root=str(tmp_path))


def test_a_file_without_a_valid_outline_is_refused_with_the_faults(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'holds no valid outline; no polygon: 1 \(.*object 3\)'):
        coco(tmp_path, [annotation(3, [])])


def test_a_missing_image_leaves_its_objects_out_of_training_but_not_of_testing(
        tmp_path: Path) -> None:
    write_coco(tmp_path, [annotation(i, [SQUARE], image=i) for i in range(3)], 3, skip_image=1)
    data = coco(tmp_path, pipeline=TRAIN)
    assert len(data) == 2 and data.skipped[0][1] == 'the image is missing'
    test = coco(tmp_path, pipeline=TEST, test_mode=True)
    assert len(test) == 3
    packed = test[1]
    assert not packed['inputs'].any() and packed['data_samples'].object_id == 1
    (name, fault), = packed['data_samples'].faults
    assert name.endswith('1.png, object 1') and 'does not exist' in fault


def test_no_image_at_all_is_a_wrong_folder(tmp_path: Path) -> None:
    write_coco(tmp_path, [annotation(0, [SQUARE])], skip_image=0)
    with pytest.raises(FileNotFoundError, match=r'names 1 images, and none exists: .*data_prefix'):
        coco(tmp_path)


# --- samples


def test_an_image_that_cannot_be_decoded_is_replaced_in_training_and_named(tmp_path: Path) -> None:
    write_coco(tmp_path, [annotation(i, [SQUARE], image=i) for i in range(3)], 3)
    (tmp_path / 'images/1.png').write_bytes(b'no image at all')
    packed = coco(tmp_path, pipeline=TRAIN)[1]
    assert packed['data_samples'].object_id == 2
    (name, fault), = packed['data_samples'].faults
    assert name.endswith('1.png, object 1') and '1.png' in fault


def test_an_image_of_another_size_than_annotated_is_a_fault(tmp_path: Path) -> None:
    write_coco(tmp_path, [annotation(i, [SQUARE], image=i) for i in range(2)], 2)
    content = json.loads((tmp_path / 'ann.json').read_text())
    content['images'][0].update(height=WIDTH, width=HEIGHT)
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    (_, fault), = coco(tmp_path, pipeline=TRAIN)[0]['data_samples'].faults
    assert f'has {WIDTH} x {HEIGHT} pixels, but was annotated as {HEIGHT} x {WIDTH}' in fault


def test_a_sample_is_a_function_of_seed_epoch_and_index(tmp_path: Path) -> None:
    data = coco(tmp_path, [annotation(0, [SQUARE]), annotation(1, [TRIANGLE])], pipeline=TRAIN)

    def crop(seed: int, epoch: int, index: int) -> tuple:
        return data[SampleIndex(index, seed, epoch)]['data_samples'].crop

    first = crop(0, 0, 0)
    crop(0, 1, 1)  # what was drawn before does not matter
    assert crop(0, 0, 0) == first
    assert len({first, crop(1, 0, 0), crop(0, 1, 0), crop(0, 0, 1)}) == 4


def test_unknown_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="boxes_from is 'detector': use one of"):
        coco(tmp_path, [annotation(0, [SQUARE])], boxes_from='detector')
    with pytest.raises(ValueError, match='min_area is -1'):
        coco(tmp_path, min_area=-1)
