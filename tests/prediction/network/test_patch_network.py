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


def test_a_rollout_feeds_each_prediction_back_as_a_frame_in_0_to_1() -> None:
    net, x = network(), frames(4)
    made = []
    with torch.no_grad():
        for _ in range(3):  # the naive way: everything so far, anew
            made.append(net.next_frames(x)[0][:, -1:])
            x = torch.cat([x, made[-1].clamp(0, 1)], dim=1)
        made = torch.cat(made, dim=1)
        torch.testing.assert_close(net.rollout(x[:, :4], 3), made, rtol=1e-5, atol=1e-6)
    assert made.min() < -0.1  # else nothing was clipped


def test_untrained_predictions_stay_finite_when_fed_back_300_times() -> None:
    torch.manual_seed(0)
    layer = dict(type='CBM', norm=None, activation='relu', temporal_dropout=0.0)
    net = PatchNetwork([16] * 15, layer=layer, shortcuts=1).eval()  # no norm, a sum at each layer
    with torch.no_grad():
        largest = [predicted.abs().max() for predicted in net.feed_back(frames(4, size=16), 300)]
    assert max(largest) < 100


@pytest.mark.parametrize('by_steps', [True, False])
def test_a_residual_network_that_predicts_no_change_copies_the_last_frame(by_steps: bool) -> None:
    net, x = network(residual=True), frames(3)
    torch.nn.init.zeros_(net.predict.weight)
    torch.nn.init.zeros_(net.predict.bias)
    made = net.rollout(x, 4) if by_steps else net.next_frames(x)[0]
    torch.testing.assert_close(made, x[:, -1:].expand_as(made) if by_steps else x)


def test_a_residual_network_steps_through_frames_as_it_passes_over_them() -> None:
    net, x = network(residual=True), frames(5)
    torch.testing.assert_close(net.observe(x)[0], net.next_frames(x)[0][:, -1], rtol=1e-5,
                               atol=1e-6)
    _, state = net.next_frames(x[:, :4])
    torch.testing.assert_close(net.step(x[:, 4], state)[0], net.observe(x)[0], rtol=1e-5,
                               atol=1e-6)


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
