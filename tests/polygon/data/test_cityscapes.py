"""Cityscapes' instances: later objects lie over earlier ones."""
import json
from pathlib import Path
from typing import Any, List, Optional

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from cbm_plugin.polygon import CityscapesPolygons
from cbm_plugin.polygon.data.cityscapes import CLASSES
from cbm_plugin.polygon.geometry.outline import rasterised

HEIGHT, WIDTH = 40, 80


def rectangle(x1: int, y1: int, x2: int, y2: int) -> List[list]:
    return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]


ROAD = dict(label='road', polygon=rectangle(0, 20, 79, 39))
CAR = dict(label='car', polygon=rectangle(10, 10, 50, 30))
POLE = dict(label='pole', polygon=rectangle(25, 5, 30, 35))


def write(root: Path, objects: Any, city: str = 'bonn', frame: str = '000000_000019',
          split: str = 'train', image: bool = True, text: Optional[str] = None) -> Path:
    """One image and its annotation, in Cityscapes' folders."""
    name = f'{city}_{frame}'
    folders = [root / part / split / city for part in ('gtFine', 'leftImg8bit')]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    content = dict(imgHeight=HEIGHT, imgWidth=WIDTH, objects=objects)
    (folders[0] / f'{name}_gtFine_polygons.json').write_text(text or json.dumps(content))
    if image:
        cv2.imwrite(str(folders[1] / f'{name}_leftImg8bit.png'),
                    np.full((HEIGHT, WIDTH, 3), 99, np.uint8))
    return root


def load(root: Path, **options: Any) -> CityscapesPolygons:
    return CityscapesPolygons(str(root), **options)


def test_what_a_later_object_covers_is_cut_out_and_the_rest_falls_into_parts(
        tmp_path: Path) -> None:
    data = load(write(tmp_path, [ROAD, CAR, POLE]))
    assert [data[i]['box'] for i in range(len(data))] == [(10, 10, 25, 30), (30, 10, 50, 30)]
    assert data[0]['object_id'] == data[1]['object_id']
    parts = [data[i]['parts'][0] for i in range(2)]
    seen = rasterised([np.array(CAR['polygon'])], HEIGHT, WIDTH)
    seen[rasterised([np.array(POLE['polygon'])], HEIGHT, WIDTH) > 0] = 0
    assert (rasterised(parts, HEIGHT, WIDTH) == seen).all()


def test_an_object_that_nothing_covers_keeps_its_annotated_polygon(tmp_path: Path) -> None:
    data = load(write(tmp_path, [POLE, CAR]))  # the pole lies below
    assert data[0]['parts'][0].tolist() == CAR['polygon']


def test_annotated_polygons_can_be_asked_for(tmp_path: Path) -> None:
    data = load(write(tmp_path, [ROAD, CAR, POLE]), visible=False)
    assert len(data) == 1 and data[0]['parts'][0].tolist() == CAR['polygon']


def test_an_object_can_be_one_instance_with_all_its_visible_parts(tmp_path: Path) -> None:
    data = load(write(tmp_path, [CAR, POLE]), boxes_from='annotation')
    assert len(data) == 1 and len(data[0]['parts']) == 2
    assert data[0]['box'] == (10, 10, 50, 30)


def test_a_hidden_object_is_left_out_and_named(tmp_path: Path) -> None:
    person = dict(label='person', polygon=rectangle(12, 12, 20, 20))
    data = load(write(tmp_path, [person, CAR]))
    assert len(data) == 1
    (name, fault), = data.skipped
    assert name.endswith('bonn_000000_000019_0') and fault == 'no polygon'


def test_groups_are_left_out_and_named_but_hide_what_is_below(tmp_path: Path) -> None:
    group = dict(label='cargroup', polygon=rectangle(40, 0, 79, 39))
    data = load(write(tmp_path, [CAR, group]))
    assert len(data) == 1 and data[0]['box'] == (10, 10, 40, 30)
    assert [fault for _, fault in data.skipped] == ['group: cargroup']


def test_licence_plates_and_deleted_objects_hide_nothing(tmp_path: Path) -> None:
    plate = dict(label='license plate', polygon=rectangle(12, 12, 18, 18))
    deleted = dict(POLE, deleted=1)
    data = load(write(tmp_path, [CAR, plate, deleted]))
    assert len(data) == 1 and data[0]['parts'][0].tolist() == CAR['polygon']


def test_categories_are_the_8_instance_classes_in_order(tmp_path: Path) -> None:
    objects = [dict(label=label, polygon=rectangle(9 * i, 1, 9 * i + 8, 9))
               for i, label in enumerate(CLASSES)]
    data = load(write(tmp_path, [*objects, ROAD]))
    assert [data[i]['category'] for i in range(len(data))] == list(range(8))
    assert data.metainfo['classes'] == CLASSES


def test_cities_choose_the_folders(tmp_path: Path) -> None:
    for city in ('aachen', 'bonn', 'ulm'):
        write(tmp_path, [CAR], city)
    assert [load(tmp_path)[i]['img_id'].split('_')[0] for i in range(3)] == ['aachen', 'bonn',
                                                                             'ulm']
    assert len(load(tmp_path, cities=['ulm'])) == 1
    with pytest.raises(FileNotFoundError, match='paris does not exist: set data_root'):
        load(tmp_path, cities=['paris'])


def test_a_split_without_annotations_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'has no CITY/\*_gtFine_polygons\.json'):
        load(write(tmp_path, [CAR]), split='val')


@pytest.mark.parametrize('text, fault', [
    ('{"imgHeight": 40', 'is not readable as JSON'),
    ('{"imgHeight": 40, "imgWidth": 80}', "lacks 'objects'"),
    ('{"imgHeight": 40, "imgWidth": 80, "objects": [{"label": "car"}]}', "lacks 'polygon'")])
def test_an_unreadable_file_is_left_out_and_named_and_the_rest_is_used(
        tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path, [CAR])
    write(tmp_path, [], frame='000001_000019', text=text)
    data = load(tmp_path)
    assert len(data) == 1
    (name, message), = data.skipped
    assert name.endswith('bonn_000001_000019_gtFine_polygons.json') and fault in message


def test_a_bad_polygon_is_left_out_and_hides_nothing(tmp_path: Path) -> None:
    bad = [dict(label='person', polygon=[[1, 1], [9, 9]]),
           dict(label='person', polygon=rectangle(200, 0, 300, 9)),
           dict(label='pole', polygon=[[0, 0], [9, None], [3, 3]])]
    data = load(write(tmp_path, [CAR, *bad]))
    assert len(data) == 1
    assert [fault for _, fault in data.skipped] == ['fewer than 3 different vertices',
                                                    'outside the image']


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    write(tmp_path, [CAR])
    write(tmp_path, [CAR], frame='000001_000019', image=False)
    data = load(tmp_path)
    assert len(data) == 1 and data.skipped[0][1] == 'the image is missing'


def test_a_sample_goes_through_the_pipeline(tmp_path: Path) -> None:
    init_default_scope('mmaction')
    data = load(write(tmp_path, [CAR, POLE]), pipeline=[
        dict(type='LoadObjectImage'), dict(type='CropObject', size=32),
        dict(type='EncodeOutline'), dict(type='PackPolygonInputs')])
    sample = data[0]['data_samples']
    assert len(sample.vertices) == 4 and 'faults' not in sample
