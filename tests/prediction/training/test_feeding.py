"""What a network is fed in the course of a training."""
import pytest
import torch

from cbm_plugin.prediction.training.feeding import Feeding


@pytest.mark.parametrize('done,probability', [(0, 0.9), (0.1, 0.9), (0.3, 0.5), (0.5, 0.1),
                                              (0.9, 0.1)])
def test_the_truth_is_fed_less_and_less_often(done: float, probability: float) -> None:
    feeding = Feeding(start=0.9, end=0.1, begin=0.1, until=0.5)
    assert feeding.probability(done) == pytest.approx(probability)


def test_draws_have_the_probability_asked_for() -> None:
    torch.manual_seed(0)
    given = Feeding(start=0.3, end=0.3).draw(100, 100, 0.0)
    assert given is not None and abs(float(given.float().mean()) - 0.3) < 0.02


def test_teacher_forcing_needs_no_draw_and_feedback_never_feeds_the_truth() -> None:
    assert Feeding.of('teacher').draw(4, 9, 0.7) is None
    feedback = Feeding.of('feedback').draw(4, 9, 0.0)
    assert feedback is not None and not feedback.any()


def test_scheduled_sampling_goes_from_the_one_to_the_other() -> None:
    scheduled = Feeding.of('scheduled')
    assert scheduled.probability(0) == 1 and scheduled.probability(0.5) == 0


@pytest.mark.parametrize('config,message', [
    ('techer', "'techer' is unknown"), (dict(start=1.5), 'start is 1.5'),
    (dict(begin=0.6, until=0.5), 'begin=0.6 until=0.5'), (dict(stop=1), r"no option \['stop'\]")])
def test_a_wrong_setting_is_named(config: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Feeding.of(config)  # type: ignore[arg-type]
