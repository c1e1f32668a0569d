"""The early-recognition curve is what running each beginning gives, and what its name says."""
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from torch import nn

from cbm_plugin.overlap import ClipPlan
from cbm_plugin.recognition import EarlyRecognitionLoop, EarlyRecognitionMetric, predict_prefixes
from cbm_plugin.recognition.observation import RATIOS, observed_frames
from cbm_plugin.registry import METRICS, MODELS

from ..tiny import CLASSES, batch, tiny_recognizer
from ..tiny_run import tiny_config

LENGTHS = (7, 3, 10)


def head(**options: object) -> dict:
    return dict(type='RecurrentHead', num_classes=CLASSES, in_channels=4, dropout_ratio=0.0,
                init_std=0.5, topk=1, **options)


def scored(label: int, frames: list) -> dict:
    """What the evaluator hands to a metric: scores of each frame are given as probabilities."""
    return dict(gt_label=torch.tensor([label]), pred_frame_scores=torch.tensor(frames).log())


def by_hand() -> EarlyRecognitionMetric:
    """Two videos of class 0 and one of class 1, of two classes and two frames each."""
    metric = EarlyRecognitionMetric(ratios=(0.5, 1.0), aggregation='last', topk=(1, 2))
    metric.process(None, [scored(0, [[0.9, 0.1], [0.6, 0.4]]),   # right, right
                          scored(0, [[0.2, 0.8], [0.7, 0.3]])])  # wrong, right
    metric.process(None, [scored(1, [[0.1, 0.9], [0.8, 0.2]])])  # right, wrong
    return metric


# --- the metric


def test_curves_areas_and_the_stable_ratio_are_those_computed_by_hand() -> None:
    values = by_hand().evaluate(3)
    expected = dict(top1_50=2 / 3, top1_100=2 / 3, top2_50=1, top2_100=1,
                    mean1_50=(1 / 2 + 1) / 2, mean1_100=(1 + 0) / 2,
                    area_top1=2 / 3, area_top2=1, area_mean1=(3 / 4 + 1 / 2) / 2,
                    stable_at=(0.5 + 1 + 1) / 3)
    assert values == pytest.approx({f'early/{name}': value for name, value in expected.items()})


def test_the_area_weighs_ratios_by_the_distance_between_them() -> None:
    metric = EarlyRecognitionMetric(ratios=(0.1, 0.2, 1.0), aggregation='last', topk=(1,))
    wrong, right = [0.1, 0.9], [0.9, 0.1]
    metric.process(None, [scored(0, [wrong] + [right] * 9)])
    assert metric.evaluate(1)['early/area_top1'] == pytest.approx((0.1 / 2 + 0.8) / 0.9)


def test_a_decision_that_wavers_is_stable_only_after_its_last_change() -> None:
    metric = EarlyRecognitionMetric(aggregation='last', topk=(1,))
    a, b = [0.9, 0.1], [0.1, 0.9]
    metric.process(None, [scored(1, [a, b, a, a, a, b, a, a, a, a])])
    assert metric.evaluate(1)['early/stable_at'] == pytest.approx(0.7)


@pytest.mark.parametrize('aggregation, at_half', [('mean', 1), ('last', 0), ('vote', 0)])
def test_the_aggregation_is_over_the_observed_frames_only(aggregation: str, at_half: int) -> None:
    metric = EarlyRecognitionMetric(ratios=(0.5,), aggregation=aggregation, topk=(1,))
    # the mean is for class 0, the last frame and most frames are for class 1; then come frames
    # that nobody has seen yet
    observed = [[0.99, 0.01], [0.3, 0.7], [0.3, 0.7]]
    metric.process(None, [scored(0, observed + [[0.5, 0.5]] * 3)])
    assert metric.evaluate(1)['early/top1_50'] == at_half


def test_of_equal_scores_the_first_class_wins_in_accuracy_as_in_the_decision() -> None:
    for label, right in ((0, 1), (1, 0)):
        metric = EarlyRecognitionMetric(ratios=(1.0,), topk=(1, 2))
        metric.process(None, [scored(label, [[0.5, 0.5]])])
        values = metric.evaluate(1)
        assert (values['early/top1_100'], values['early/top2_100']) == (right, 1)


def test_results_are_small_and_picklable_whatever_the_length_of_the_video() -> None:
    def size(frames: int) -> int:
        metric = EarlyRecognitionMetric()
        metric.process(None, [scored(0, [[0.5, 0.5]] * frames)])
        return len(pickle.dumps(metric.results))

    assert size(1000) == size(10) < 500


def test_the_protocol_is_in_the_file_with_the_curves(tmp_path: Path) -> None:
    metric = by_hand()
    metric.out_file = str(tmp_path / 'runs' / 'early.json')
    values = metric.evaluate(3)
    written = json.loads(Path(metric.out_file).read_text())
    assert written['ratios'] == [0.5, 1.0] and written['videos'] == 3
    assert written['accuracies']['mean1'] == [values['early/mean1_50'], values['early/mean1_100']]
    for said in ('3 videos', '50, 100%', 'ceil(ratio * T)', 'one forward pass',
                 'last over the observed frames'):
        assert said in written['protocol']
    assert list(Path(metric.out_file).parent.iterdir()) == [Path(metric.out_file)]


@pytest.mark.parametrize('options, message', [
    (dict(ratios=[0, 0.5]), '0 shows no frame at all'),
    (dict(aggregation='median'), "aggregation 'median' is unknown"),
    (dict(topk=()), 'topk is'), (dict(out_file='early.txt'), 'must end with .json')])
def test_options_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METRICS.build(dict(type='EarlyRecognitionMetric', **options))


def test_samples_without_scores_are_refused_with_the_line_to_write() -> None:
    with pytest.raises(ValueError, match="test_cfg = dict\\(type='EarlyRecognitionLoop'\\)"):
        EarlyRecognitionMetric().process(None, [dict(gt_label=torch.tensor([0]))])


def test_prefixes_of_other_ratios_than_the_metrics_are_refused() -> None:
    sample = dict(gt_label=torch.tensor([0]), pred_prefix_scores=torch.ones(1, 2),
                  prefix_ratios=(0.5,))
    with pytest.raises(ValueError, match='give test_cfg.ratios and test_evaluator.ratios'):
        EarlyRecognitionMetric().process(None, [sample])


# --- one forward pass against one for each beginning


@pytest.mark.parametrize('aggregation', ['mean', 'last', 'vote', 'last_half'])
def test_of_a_causal_model_one_forward_gives_what_running_each_beginning_gives(
        aggregation: str) -> None:
    model = tiny_recognizer('BN', cls_head=head(aggregation=aggregation, per_frame=True)).eval()
    metric = EarlyRecognitionMetric(aggregation=aggregation)
    with torch.no_grad():
        samples = predict_prefixes(model, batch([ClipPlan.whole(n) for n in LENGTHS]))
    for sample, length in zip(samples, LENGTHS):
        assert sample.pred_frame_scores.shape == (length, CLASSES)
        from_frames, _ = metric._scores(dict(pred_frame_scores=sample.pred_frame_scores))
        np.testing.assert_allclose(from_frames, sample.pred_prefix_scores, atol=1e-6)


def test_frame_scores_are_log_probabilities_given_on_demand_only() -> None:
    silent = tiny_recognizer().eval().test_step(batch([ClipPlan.whole(4)]))[0]
    assert 'pred_frame_scores' not in silent
    model = tiny_recognizer(cls_head=head(per_frame=True)).eval()
    sample, = model.test_step(batch([ClipPlan.whole(4)]))
    torch.testing.assert_close(sample.pred_frame_scores.exp().sum(-1), torch.ones(4))
    torch.testing.assert_close(sample.pred_frame_scores.mean(0).softmax(-1), sample.pred_score)


class SeesTheFuture(nn.Module):
    """Each frame minus the video's last one: no beginning has the scores it had in the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_recognizer(cls_head=head())
        self.backbone, self.cls_head, self.causal = self.inner.backbone, self.inner.cls_head, False

    def test_step(self, data: dict) -> list:
        inputs = [frames // 2 - frames[-1:] // 2 + 127 for frames in data['inputs']]
        return self.inner.test_step(dict(data, inputs=inputs))


def test_a_model_that_sees_the_future_is_run_on_each_beginning_alone() -> None:
    model = SeesTheFuture().eval()
    data = batch([ClipPlan.whole(n) for n in LENGTHS])
    with torch.no_grad():
        samples = predict_prefixes(model, data)
        for i, length in enumerate(LENGTHS):
            for row, ratio in zip(samples[i].pred_prefix_scores, RATIOS):
                seen = data['inputs'][i][:observed_frames(length, ratio)]
                alone, = model.test_step(dict(inputs=[seen], data_samples=[
                    data['data_samples'][i].clone()]))
                torch.testing.assert_close(row, alone.pred_score)


def test_the_last_prediction_is_that_of_the_whole_video_even_where_no_ratio_is_one() -> None:
    model = tiny_recognizer().eval()
    with torch.no_grad():
        whole, = model.test_step(batch([ClipPlan.whole(6)]))
        sample, = predict_prefixes(model, batch([ClipPlan.whole(6)]), (0.3, 0.5))
    torch.testing.assert_close(sample.pred_score, whole.pred_score)
    assert sample.pred_prefix_scores.shape == (2, CLASSES)


def test_time_stands_where_the_axis_says() -> None:
    seen = []

    def test_step(data: dict) -> list:
        seen.append(tuple(data['inputs'][0].shape))
        return [sample.set_pred_score(torch.ones(2)) for sample in data['data_samples']]

    data = batch([ClipPlan.whole(1)])
    data['inputs'] = [torch.zeros(1, 3, 8, 5, 5)]
    predict_prefixes(SimpleNamespace(test_step=test_step), data, (0.5, 1.0), time_axis=2)
    assert seen == [(1, 3, 4, 5, 5), (1, 3, 8, 5, 5)]


# --- the loop


def loop(model: nn.Module, **options: object) -> EarlyRecognitionLoop:
    """The test loop over one real batch, with what it needs of a runner."""
    data = batch([ClipPlan.whole(n) for n in LENGTHS])
    runner = SimpleNamespace(model=model, call_hook=lambda *args, **kwargs: None,
                             visualizer=SimpleNamespace())
    made = torch.utils.data.DataLoader(
        [dict(inputs=frames, data_samples=sample)
         for frames, sample in zip(data['inputs'], data['data_samples'])], batch_size=3,
        collate_fn=lambda items: {key: [item[key] for item in items] for key in items[0]})
    return EarlyRecognitionLoop(runner, made, Evaluator(EarlyRecognitionMetric()), **options)


def test_the_loop_runs_a_causal_model_once_and_gives_the_same_curve_as_beginnings() -> None:
    model = tiny_recognizer('BN', cls_head=head())
    once, anew = loop(model), loop(model, observe='prefixes')
    assert once.once and not anew.once
    assert once.run() == pytest.approx(anew.run())
    assert model.cls_head.per_frame is False


def test_the_loop_refuses_to_run_a_model_that_sees_the_future_once_and_says_why() -> None:
    with pytest.raises(ValueError, match='sees later frames.*observe=.prefixes'):
        loop(SeesTheFuture(), observe='once')


def test_by_itself_the_loop_runs_such_a_model_on_each_beginning() -> None:
    values = loop(SeesTheFuture()).run()
    assert 0 <= values['early/area_top1'] <= 1


def test_a_recognizer_with_a_3d_backbone_is_told_from_a_causal_one() -> None:
    model = MODELS.build(dict(
        type='RecurrentRecognizer',
        backbone=dict(type='ResNet3dSlowOnly', depth=18, pretrained=None, base_channels=8,
                      lateral=False),
        cls_head={**head(), 'in_channels': 64}))
    assert not loop(model).once


def test_unknown_ways_to_observe_are_refused() -> None:
    with pytest.raises(ValueError, match="observe is 'twice': use one of"):
        loop(tiny_recognizer(), observe='twice')


def test_a_real_run_trains_with_the_anticipation_loss_and_ends_with_the_curve(
        tmp_path: Path) -> None:
    out = tmp_path / 'early.json'
    cfg = tiny_config(tmp_path, **{
        'model.cls_head.anticipation_weight': 0.5,
        'test_cfg.type': 'EarlyRecognitionLoop', 'train_cfg.max_epochs': 1})
    cfg.test_evaluator = [cfg.test_evaluator,
                          dict(type='EarlyRecognitionMetric', topk=(1, 2), out_file=str(out))]
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert 'train/loss_anticipation' in runner.message_hub.log_scalars
    values = runner.test()
    assert values['early/top1_100'] == pytest.approx(values['acc/top1'])
    assert values['early/mean1_100'] <= 1 and json.loads(out.read_text())['videos'] == 8
