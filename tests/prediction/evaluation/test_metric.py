"""FramePredictionMetric against naive means, by MMEngine's own evaluator and sampler."""
import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger

import cbm_plugin.prediction  # noqa: F401  (registers everything)
from cbm_plugin.prediction.data.data_sample import PredictionDataSample
from cbm_plugin.prediction.evaluation import frame_metrics
from cbm_plugin.prediction.evaluation.metric import DEFINITIONS, FramePredictionMetric
from cbm_plugin.prediction.evaluation.ssim import ssim
from cbm_plugin.registry import METRICS


def sample(number: int, steps: int = 11, num_inputs: int = 4, size: int = 11):
    """What the model hands to the evaluator."""
    made = PredictionDataSample(metainfo=dict(
        num_inputs=num_inputs, num_outputs=steps, name=f'clip{number}.avi', start=0))
    generator = torch.Generator().manual_seed(number)
    made.target_frames = torch.rand(steps, 1, size, size, generator=generator)
    noise = torch.rand(steps, 1, size, size, generator=generator)
    made.pred_frames = torch.lerp(made.target_frames, noise, (1 + number) / 10)
    return made


def evaluate(samples, batch_size=2, **options):
    evaluator = Evaluator([FramePredictionMetric(**options)])
    for start in range(0, len(samples), batch_size):
        evaluator.process(samples[start:start + batch_size])
    return evaluator.evaluate(len(samples))


def stacked(samples):
    return (torch.stack([getattr(one, key) for one in samples])
            for key in ('pred_frames', 'target_frames'))


def test_values_are_means_over_sequences_for_steps_and_over_all_steps():
    samples = [sample(number) for number in range(5)]
    values = evaluate(samples)
    for name, function in dict(mse_per_frame=frame_metrics.mse_per_frame, ssim=ssim,
                               mae_per_frame=frame_metrics.mae_per_frame,
                               psnr=frame_metrics.psnr).items():
        naive = function(*stacked(samples)).double()
        assert values[f'prediction/{name}'] == pytest.approx(naive.mean().item(), rel=1e-6)
        for step in (1, 10):
            assert values[f'prediction/{name}_T{step}'] == pytest.approx(
                naive[:, step - 1].mean().item(), rel=1e-6)
    assert len(values) == 4 * 3  # there is no T20


def test_it_is_registered_and_knows_every_metric_but_lpips_without_more_packages():
    names = [name for name in DEFINITIONS if name != 'lpips']
    values = evaluate([sample(0, steps=2)], metrics=names)
    assert values.keys() == {f'prediction/{name}{step}' for name in names for step in ('', '_T1')}
    assert values['prediction/ssim_range2'] > values['prediction/ssim']
    assert isinstance(METRICS.build(dict(type='FramePredictionMetric', metrics='psnr')),
                      FramePredictionMetric)


@pytest.fixture
def log():
    """The messages of MMEngine's logger, which does not propagate."""
    messages, handler = [], logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def test_file_and_log_hold_the_protocol_and_the_file_every_step(tmp_path, log):
    out = tmp_path / 'new' / 'steps.json'
    values = evaluate([sample(0), sample(1)], metrics=('mae', 'psnr'), out_file=str(out))
    content = json.loads(out.read_text())
    assert (content['sequences'], content['num_inputs']) == (2, 4)
    assert content['means'] == {name: values[f'prediction/{name}'] for name in ('mae', 'psnr')}
    for name, curve in content['metrics'].items():
        assert len(curve) == 11 and curve[9] == values[f'prediction/{name}_T10']
    for words in ('11 frames predicted from 4, 2 sequences', 'mae: absolute error, mean',
                  'psnr: dB of each frame, data range 1', 'at most 100 dB'):
        assert words in content['protocol']
    assert content['protocol'] in log
    assert [path.name for path in out.parent.iterdir()] == ['steps.json']


def test_what_is_kept_of_a_sequence_are_numbers_and_no_frames():
    sizes = []
    for side in (11, 44):
        metric = FramePredictionMetric()
        metric.process(None, [sample(0, size=side).to_dict()])
        sizes.append(len(pickle.dumps(metric.results)))
    assert sizes[0] == sizes[1] < 1000


def run_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank,
                            world_size=2)
    evaluator = Evaluator([FramePredictionMetric(collect_dir=f'{folder}/parts')])
    numbers = list(DefaultSampler(range(5), shuffle=False))  # one is tested twice
    evaluator.process([sample(number) for number in numbers])
    Path(folder, f'rank{rank}.json').write_text(json.dumps([numbers, evaluator.evaluate(5)]))
    dist.destroy_process_group()


def test_two_processes_give_the_values_of_one_although_one_sequence_is_tested_twice(tmp_path):
    mp.start_processes(run_rank, (str(tmp_path), ), nprocs=2, start_method='fork')
    shares, values = zip(*(json.loads((tmp_path / f'rank{rank}.json').read_text())
                           for rank in range(2)))
    assert sorted(shares[0] + shares[1]) == [0, 0, 1, 2, 3, 4]
    assert values[0] == values[1] == pytest.approx(evaluate([sample(n) for n in range(5)]))


def test_a_sequence_that_could_not_be_read_makes_no_score_better(tmp_path):
    out = tmp_path / 'steps.json'
    black = sample(1)
    black.pred_frames = black.target_frames = torch.zeros(11, 1, 11, 11)
    black.set_metainfo(dict(faults=(('clip1.avi', 'truncated'), )))
    values = evaluate([sample(0), black, sample(2)], out_file=str(out))
    assert values == evaluate([sample(0), sample(2)])
    content = json.loads(out.read_text())
    assert content['sequences'] == 2 and '(1 more could not be read' in content['protocol']
    with pytest.raises(ValueError, match='none of 1 sequences could be read'):
        evaluate([black])


@pytest.mark.parametrize('key, value, message', [
    ('pred_frames', np.nan, "clip1.avi: 'pred_frames' contains NaN .* earlier checkpoint"),
    ('pred_frames', 1.5, 'clip1.avi: .* to 1.5, but frames must lie in .0, 1.: scale and clip'),
    ('target_frames', -1, "clip1.avi: 'target_frames' has values from -1 ")])
def test_frames_that_would_spoil_a_mean_are_refused_by_the_name_of_the_sequence(
        key, value, message):
    bad = sample(1)
    getattr(bad, key)[3, 0, 2, 2] = value
    with pytest.raises(ValueError, match=message):
        evaluate([sample(0), bad])


@pytest.mark.parametrize('options, numbers', [
    (dict(steps=7), '4 inputs and 7 predicted'), (dict(num_inputs=9), '9 inputs and 11 predicted')])
@pytest.mark.parametrize('batch_size', [1, 2])
def test_sequences_of_two_protocols_have_no_mean(options, numbers, batch_size):
    with pytest.raises(ValueError, match=f'(?s)clip1.avi has {numbers} frames, but clip0.avi has '
                                         '4 and 11: .*num_inputs and num_outputs'):
        evaluate([sample(0), sample(1, **options)], batch_size)


def test_predictions_of_two_protocols_are_refused_where_two_processes_come_together():
    first, second = FramePredictionMetric(), FramePredictionMetric()
    first.process(None, [sample(0).to_dict()])
    second.process(None, [sample(1, steps=7).to_dict()])
    with pytest.raises(ValueError, match='clip1.avi has 4 inputs and 7'):
        first.compute_metrics(first.results + second.results)


@pytest.mark.parametrize('key', ['pred_frames', 'target_frames'])
def test_samples_without_predictions_or_truth_are_refused_with_the_remedy(key):
    bare = sample(0)
    del bare[key]
    with pytest.raises(ValueError, match=f"(?s)clip0.avi has no '{key}'.*longer than num_inputs"):
        evaluate([bare])


def test_predictions_of_another_shape_than_the_truth_are_refused():
    cut = sample(0)
    cut.pred_frames = cut.pred_frames[:5]
    with pytest.raises(ValueError, match=r'clip0.avi: \(5, 1, 11, 11\) was predicted'):
        evaluate([cut])


@pytest.mark.parametrize('options, message', [
    (dict(metrics=('psnr', 'fvd')), "'fvd'.* must be one or more of .*'ssim'"),
    (dict(metrics=()), 'one or more'), (dict(out_file='steps.csv'), 'must end with .json')])
def test_options_that_are_unknown_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FramePredictionMetric(**options)
