"""PolygonIoU against areas known by hand, a naive twin and MMEngine's own evaluator."""
import json
import logging
import pickle

import cv2
import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger

import cbm_plugin.polygon  # noqa: F401  (registers everything)
from cbm_plugin.polygon.data.data_sample import PolygonDataSample
from cbm_plugin.polygon.evaluation.metric import PolygonIoU
from cbm_plugin.polygon.geometry.outline import polygon_iou
from cbm_plugin.registry import METRICS

CLASSES = ('nut', 'dried fig', 'date')


def rectangle(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)


def sample(truth, predicted=None, object_id=0, category=0, img_id=0, ori_shape=(100, 200)):
    """What the model hands to the evaluator, of one part."""
    made = PolygonDataSample(metainfo=dict(
        img_path=f'{img_id}.png', img_id=img_id, object_id=object_id, category=category,
        ori_shape=ori_shape, parts=None if truth is None else [truth]))
    if predicted is not None:
        made.pred_polygon, made.pred_score = predicted, 0.5
    return made


def evaluate(samples, **options):
    metric = PolygonIoU(**options)
    metric.dataset_meta = dict(classes=CLASSES)
    evaluator = Evaluator([metric])
    for start in range(0, len(samples), 2):
        evaluator.process(samples[start:start + 2])
    return {name.split('/')[1]: value for name, value in evaluator.evaluate(len(samples)).items()}


def test_it_is_registered_and_its_values_have_the_prefix_polygon():
    metric = METRICS.build(dict(type='PolygonIoU'))
    metric.process(None, [sample(rectangle(0, 0, 9, 9), rectangle(0, 0, 9, 9)).to_dict()])
    assert metric.evaluate(1)['polygon/miou_instances'] == 1


def test_the_mean_over_objects_and_the_mean_over_classes_are_both_given():
    box, half = rectangle(20, 20, 40, 40), rectangle(20, 20, 40, 30)
    values = evaluate([sample(box, box, 0), sample(box, box, 1), sample(box, box, 2),
                       sample(box, half, 3, category=2)])
    assert values['iou_nut'] == 1 and values['iou_date'] == 0.5
    assert values['miou_instances'] == pytest.approx(3.5 / 4)
    assert values['miou_classes'] == pytest.approx(1.5 / 2)  # 'dried fig' does not occur
    assert 'iou_dried fig' not in values
    assert values['boundary_f'] > values['boundary_f_classes'] > 0.5
    assert values['num_instances'] == 4


def test_the_parts_of_an_object_count_together_and_once_where_they_overlap():
    left, right = rectangle(10, 10, 30, 30), rectangle(20, 10, 50, 30)  # together 40 x 20
    values = evaluate([sample(left, left), sample(right, rectangle(0, 60, 0.5, 61)),
                       sample(left, left, object_id=0, img_id=1)])
    assert values['num_instances'] == 2  # the same object_id in another image is another object
    first = values['miou_instances'] * 2 - 1
    assert first == pytest.approx(20 * 20 / (40 * 20))


@pytest.mark.parametrize('predicted', [
    None, np.zeros((0, 2)), rectangle(0, 0, 9, 9)[:2], rectangle(0, 0, np.nan, 9)])
def test_an_object_without_a_predicted_outline_counts_as_zero(predicted):
    box = rectangle(20, 20, 40, 40)
    values = evaluate([sample(box, box, 0), sample(box, predicted, 1)])
    assert values['miou_instances'] == values['boundary_f'] == 0.5
    assert values['num_missing'] == 1


def test_what_reaches_beyond_the_image_is_cut_off():
    values = evaluate([sample(rectangle(180, 80, 200, 100), rectangle(180, 80, 1e6, 1e6))])
    assert values['miou_instances'] == values['boundary_f'] == 1


def naive_iou(parts_a, parts_b, height, width):
    """Centre of every pixel of the image, one at a time, by OpenCV's own test."""
    def inside(parts, x, y):
        return any(cv2.pointPolygonTest(part.astype(np.float32), (x + .5, y + .5), False) > 0
                   for part in parts)
    pixels = [(inside(parts_a, x, y), inside(parts_b, x, y))
              for y in range(height) for x in range(width)]
    return sum(a and b for a, b in pixels) / sum(a or b for a, b in pixels)


def star(rng, middle, radius=16.):
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    radii = rng.uniform(.4, 1, 9) * radius
    return (np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + middle).astype('f4')


def test_random_outlines_agree_with_a_naive_twin_and_with_polygon_iou():
    rng = np.random.default_rng(1)
    for number in range(6):
        middle = (35, 32) if number < 3 else (6, 4)  # the others are cut off by the image
        parts, predicted = ([star(rng, middle + rng.uniform(-6, 6, 2)) for _ in range(2)]
                            for _ in range(2))
        values = evaluate([sample(part, outline, ori_shape=(64, 70))
                           for part, outline in zip(parts, predicted)])
        assert 0 < values['miou_instances'] < 1
        assert values['miou_instances'] == pytest.approx(naive_iou(parts, predicted, 64, 70))
        if number < 3:
            assert values['miou_instances'] == pytest.approx(polygon_iou(parts, predicted))


@pytest.fixture
def log():
    """The messages of MMEngine's logger, which does not propagate."""
    messages, handler = [], logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def test_file_and_log_hold_the_protocol_and_every_object(tmp_path, log):
    box = rectangle(20, 20, 40, 40)
    out = tmp_path / 'new' / 'iou.json'
    values = evaluate([sample(box, box, np.int64(7)), sample(box, None, np.int64(8), category=1)],
                      out_file=str(out), boundary_tolerance=0.008)
    content = json.loads(out.read_text())
    assert content['values'] == values
    assert [(item['object'], item['iou'], item['predicted']) for item in content['instances']] == [
        (7, 1., True), (8, 0., False)]
    for words in ('original resolution', 'mean over objects, and mean over the 2 classes',
                  '1 objects without', "0.008 of the image's diagonal"):
        assert words in content['protocol']
    table, = [message for message in log if content['protocol'] in message]
    assert 'dried fig' in table
    assert [path.name for path in out.parent.iterdir()] == ['iou.json']


def test_what_travels_between_processes_is_small():
    metric = PolygonIoU()
    metric.process(None, [sample(rectangle(0, 0, 999, 999), rectangle(0, 0, 9, 9),
                                 ori_shape=(1024, 2048)).to_dict()])
    assert len(pickle.dumps(metric.results)) < 1000


def test_samples_without_annotated_outlines_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match='(?s)0.png.*take PolygonIoU out'):
        evaluate([sample(None, rectangle(0, 0, 9, 9))])


@pytest.mark.parametrize('options, message', [
    (dict(boundary_tolerance=0), 'boundary_tolerance is 0, but must be above 0'),
    (dict(out_file='iou.txt'), 'must end with .json')])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PolygonIoU(**options)
