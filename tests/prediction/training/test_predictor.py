"""The model that trains a network of frames."""
from typing import Any, Dict, List

import pytest
import torch
from mmengine.optim import OptimWrapper

import cbm_plugin.prediction  # noqa: F401  (registers its parts)
from cbm_plugin.overlap import ClipPlan, CoherenceSettings
from cbm_plugin.prediction import PredictionDataSample, VideoPredictor


def predictor(**options: Any) -> VideoPredictor:
    torch.manual_seed(0)
    return VideoPredictor(
        dict(type='PatchNetwork', hidden_channels=[4, 4], layer=dict(type='CBM', norm=None)),
        **options)


def batch(steps: int = 6, num_inputs: int = 3, number: int = 2, channels: int = 1,
          **meta: Any) -> Dict[str, List]:
    rng = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (number, steps, channels, 8, 8), dtype=torch.uint8,
                           generator=rng)
    samples = [PredictionDataSample(metainfo=dict(name=f'video {i}', num_inputs=num_inputs, **meta))
               for i in range(number)]
    return dict(inputs=list(frames), data_samples=samples)


def wrapper(model: VideoPredictor, lr: float = 0.1, **options: Any) -> OptimWrapper:
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=lr), **options)


def test_predictions_go_into_the_samples_beside_inputs_and_truth() -> None:
    model, data = predictor().eval(), batch()
    samples = model.test_step(data)
    frames = torch.stack(data['inputs']).float() / 255
    expected = model.network.rollout(frames[:, :3], 3).clamp(0, 1)
    for sample, mine, predicted in zip(samples, frames, expected):
        torch.testing.assert_close(sample.input_frames, mine[:3])
        torch.testing.assert_close(sample.target_frames, mine[3:])
        torch.testing.assert_close(sample.pred_frames, predicted)


def test_a_future_that_is_not_known_is_predicted_all_the_same() -> None:
    samples = predictor().eval().test_step(batch(steps=3, num_outputs=7))
    assert samples[0].pred_frames.shape == (7, 1, 8, 8) and 'target_frames' not in samples[0]


def test_the_loss_is_that_of_the_frames_after_the_inputs() -> None:
    model, data = predictor(feeding='teacher'), batch()
    frames = torch.stack(data['inputs']).float() / 255
    loss = model(frames, data['data_samples'], mode='loss')['loss_mse']
    predictions = model(frames)
    torch.testing.assert_close(loss, (predictions[:, 2:] - frames[:, 3:]).square().mean())


def test_losses_on_the_inputs_too_count_every_frame_but_the_first() -> None:
    model, data = predictor(inputs_too=True), batch()
    frames = torch.stack(data['inputs']).float() / 255
    loss = model(frames, data['data_samples'], mode='loss')['loss_mse']
    torch.testing.assert_close(loss, (model(frames) - frames[:, 1:]).square().mean())


def test_feedback_training_descends_the_loss_of_what_testing_predicts() -> None:
    model, data = predictor(feeding='feedback'), batch()
    frames = torch.stack(data['inputs']).float() / 255
    expected = (model.network.rollout(frames[:, :3], 3) - frames[:, 3:]).square().mean()
    logs = model.train_step(data, wrapper(model, lr=0.0))
    torch.testing.assert_close(logs['loss_mse'], expected)


def test_the_schedule_follows_the_share_of_the_training_that_is_done() -> None:
    model, data = predictor(feeding='scheduled'), batch()
    frames, samples = torch.stack(data['inputs']).float(), data['data_samples']
    optim = wrapper(model)
    optim.initialize_count_status(model, 0, 100)
    assert model.draw_given(frames, samples, optim) is None
    optim.initialize_count_status(model, 60, 100)  # as the runner does when it resumes there
    given = model.draw_given(frames, samples, optim)
    assert given is not None and given.shape == (2, 2) and not given.any()


def test_training_lowers_the_loss() -> None:
    model, data = predictor(feeding='feedback'), batch()
    optim = OptimWrapper(torch.optim.Adam(model.parameters(), lr=0.01))
    losses = [float(model.train_step(data, optim)['loss']) for _ in range(30)]
    assert losses[-1] < 0.6 * losses[0]


def with_plans(data: Dict[str, List], plans: List[ClipPlan]) -> Dict[str, List]:
    for sample, plan in zip(data['data_samples'], plans):
        sample.clip_plan = plan
    return data


def test_one_clip_over_everything_is_teacher_forcing_over_the_whole_sequence() -> None:
    data = batch()
    whole, clip = (predictor(feeding='teacher', inputs_too=True) for _ in range(2))
    logs = whole.train_step(data, wrapper(whole))
    clip_logs = clip.train_step(with_plans(batch(), [ClipPlan.whole(5)] * 2), wrapper(clip))
    torch.testing.assert_close(clip_logs['loss_mse'], logs['loss_mse'])
    for mine, other in zip(clip.parameters(), whole.parameters()):
        torch.testing.assert_close(mine, other)


def test_carried_states_make_predictions_on_an_overlap_equal() -> None:
    plan = ClipPlan(5, ((0, 4), (2, 5)))
    distances = {}
    for policy in ('carry', 'reset'):
        model = predictor()
        model.coherence = CoherenceSettings(weight=1.0, state=policy)
        data = with_plans(batch(), [plan] * 2)
        distances[policy] = float(model.train_step(data, wrapper(model))['coherence'])
    assert distances['carry'] < 1e-10 < distances['reset']


def test_a_plan_for_another_length_is_refused() -> None:
    model = predictor()
    with pytest.raises(ValueError, match='5 positions'):
        model.train_step(with_plans(batch(), [ClipPlan.whole(6)] * 2), wrapper(model))


@pytest.mark.parametrize('data,message', [
    (batch(channels=3), r"1 channels, but got 3: set the data set's colour to 'grey'"),
    (batch(steps=3), 'all are inputs: set num_outputs'),
    (batch(num_inputs=0), 'num_inputs=0 of 6 frames')])
def test_frames_that_do_not_fit_are_refused_with_the_remedy(data: dict, message: str) -> None:
    model = predictor()
    with pytest.raises(ValueError, match=message):
        model.train_step(data, wrapper(model))


def test_sequences_of_one_batch_must_agree() -> None:
    model, data = predictor(), batch()
    data['inputs'][1] = data['inputs'][1][:5]
    with pytest.raises(ValueError, match='video 1: its frames are .* those of video 0'):
        model.train_step(data, wrapper(model))


def test_the_same_loss_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="two losses 'loss_mse'"):
        predictor(losses=[dict(type='FrameMSELoss'), dict(type='FrameMSELoss')])
