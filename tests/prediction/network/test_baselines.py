"""The baselines predict what their names say, for any number of frames."""
import pytest
import torch

import cbm_plugin.prediction  # noqa: F401  (registers everything)
from cbm_plugin.prediction.network.baselines import BlackFrame, CopyLastFrame, InputMean
from cbm_plugin.registry import MODELS

EXPECTED = dict(CopyLastFrame=lambda frames: frames[:, -1], InputMean=lambda frames: frames.mean(1),
                BlackFrame=lambda frames: torch.zeros_like(frames[:, 0]))


def frames(steps: int) -> torch.Tensor:
    return torch.rand(2, steps, 3, 4, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('name', EXPECTED)
@pytest.mark.parametrize('steps, num_outputs', [(1, 1), (3, 30)])
def test_every_predicted_frame_is_what_the_name_says(name, steps, num_outputs):
    network = MODELS.build(dict(type=name, channels=3))
    predictions = network.rollout(frames(steps), num_outputs)
    expected = EXPECTED[name](frames(steps))[:, None].expand(-1, num_outputs, -1, -1, -1)
    torch.testing.assert_close(predictions, expected)
    assert not list(network.parameters())


@pytest.mark.parametrize('network', [CopyLastFrame(3), InputMean(3), BlackFrame(3)],
                         ids=lambda network: type(network).__name__)
def test_given_the_truth_each_frame_is_predicted_from_those_before_it(network):
    together, state = network.next_frames(frames(4)[:, :2])
    later, _ = network.next_frames(frames(4)[:, 2:], state)
    for t, prediction in enumerate(torch.cat([together, later], 1).unbind(1)):
        expected = EXPECTED[type(network).__name__](frames(4)[:, :t + 1])
        torch.testing.assert_close(prediction, expected)


def test_clips_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match='InputMean has nothing to train.*SampleFrameClips'):
        InputMean().next_frames(frames(4), state_at=[1, 2])
