"""The light network, and what every network of frames does with its own steps."""
import pytest
import torch

from cbm_plugin.prediction.network.patch_network import PatchNetwork

LAYERS = [dict(type='CBM', norm='BN', activation='relu'), dict(type='ConvLSTM'),
          dict(type='ConvGRU')]


def network(layer: dict = LAYERS[0], **options: object) -> PatchNetwork:
    torch.manual_seed(0)
    return PatchNetwork([4, 4, 4], layer=layer, shortcuts=2, **options).eval()


def frames(steps: int, size: int = 8, channels: int = 1) -> torch.Tensor:
    return torch.rand(2, steps, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('layer', LAYERS, ids=lambda layer: layer['type'])
def test_stepping_through_frames_gives_what_one_pass_gives(layer: dict) -> None:
    net, x = network(layer), frames(5)
    together, _ = net.next_frames(x)
    state, apart = None, []
    for frame in x.unbind(1):
        prediction, state = net.step(frame, state)
        apart.append(prediction)
    torch.testing.assert_close(torch.stack(apart, 1), together, rtol=1e-5, atol=1e-6)


def test_a_rollout_feeds_each_prediction_back() -> None:
    net, x = network(), frames(4)
    with torch.no_grad():
        made = net.rollout(x, 3)
        for _ in range(3):  # the naive way: everything so far, anew
            x = torch.cat([x, net.next_frames(x)[0][:, -1:]], dim=1)
    torch.testing.assert_close(made, x[:, 4:], rtol=1e-5, atol=1e-6)


def test_feeding_the_truth_step_by_step_is_teacher_forcing() -> None:
    net, x = network(), frames(6)
    given = torch.tensor([[True, True, True]])
    feedback = torch.tensor([[True, True, False]])
    forced = net(x, 2, given)
    torch.testing.assert_close(net(x, 2, feedback)[:, :3], forced[:, :3], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(net(x, 2, feedback)[:, 3], forced[:, 3])


def test_training_without_the_truth_predicts_what_testing_predicts() -> None:
    net, x = network(), frames(6)
    given = torch.zeros(2, 3, dtype=torch.bool)
    torch.testing.assert_close(net(x, 2, given), net.rollout(x[:, :2], 4), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('given', [None, torch.zeros(1, 3, dtype=torch.bool)])
def test_predictions_of_inputs_stand_before_the_others(given: torch.Tensor) -> None:
    net, x = network(), frames(6)
    both = net(x, 2, given, inputs_too=True)
    assert both.shape == (2, 5, 1, 8, 8)
    torch.testing.assert_close(both[:, 1:], net(x, 2, given), rtol=1e-5, atol=1e-6)


def test_each_item_is_fed_its_own_truth() -> None:
    net, x = network(), frames(6)
    mixed = net(x, 2, torch.tensor([[True] * 3, [False] * 3]))
    torch.testing.assert_close(mixed[0], net(x, 2)[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(mixed[1], net.rollout(x[:, :2], 4)[1], rtol=1e-5, atol=1e-6)


def test_colour_frames_come_out_in_colour() -> None:
    assert network(channels=3).rollout(frames(2, channels=3), 2).shape == (2, 2, 3, 8, 8)


def test_frames_that_patches_do_not_tile_are_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match='10x10 .* multiple of 4'):
        network().rollout(frames(2, size=10), 1)


def test_a_wrong_option_of_the_stack_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no option 'shortcut_every'"):
        PatchNetwork([4], shortcut_every=5)
