"""MCnet: one function in all its uses, the published layers and counts."""
from pathlib import Path
from typing import Any, List

import pytest
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn import functional as F

import cbm_plugin.prediction  # noqa: F401  (registers)
from cbm_plugin.layers import State
from cbm_plugin.prediction.network.mcnet import MCnet
from cbm_plugin.registry import MODELS

CONFIGS = Path(__file__).parents[3] / 'configs' / '_base_' / 'models'
CORES = dict(cbm=dict(hidden_channels=[8] * 6, variant='prediction'),
             convlstm=dict(hidden_channels=[8], layer=dict(type='ConvLSTM')))


def small(core: str = 'cbm', channels: int = 1, **options: Any) -> MCnet:
    torch.manual_seed(0)
    network = MCnet(channels=channels, width=2, **{**CORES[core], **options})
    for parameter in network.parameters():  # at the start, hardly anything passes a deep core
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def video(batch: int = 2, steps: int = 4, channels: int = 1, size: tuple = (16, 24)) -> Tensor:
    return torch.rand(batch, steps, channels, *size, generator=torch.Generator().manual_seed(1))


def leaves(state: State) -> List[Tensor]:
    return [state] if isinstance(state, Tensor) else [leaf for part in state
                                                      for leaf in leaves(part)]


@pytest.mark.parametrize('core, total, in_core', [
    (dict(), 35_924_097, 26_549_760),
    (dict(hidden_channels=[256], layer=dict(type='ConvLSTM')), 14_093_953, 4_719_616)])
def test_the_published_model_has_the_published_number_of_parameters(core: dict, total: int,
                                                                    in_core: int) -> None:
    model = Config.fromfile(CONFIGS / 'mcnet_cbm15.py').model
    model.network.update(core)
    with torch.device('meta'):
        built = MODELS.build(model)
    assert sum(p.numel() for p in built.parameters()) == total
    assert sum(p.numel() for p in built.network.rnn.parameters()) == in_core


@pytest.mark.parametrize('core', CORES)
@torch.no_grad()
def test_observing_and_stepping_on_the_truth_predicts_as_teacher_forcing_does(core: str) -> None:
    network, frames = small(core), video(steps=5)
    expected, last = network.next_frames(frames)
    predicted, state = network.observe(frames[:, :2])
    torch.testing.assert_close(predicted, expected[:, 1], atol=1e-5, rtol=0)
    for t in range(2, 5):
        predicted, state = network.step(frames[:, t], state)
        torch.testing.assert_close(predicted, expected[:, t], atol=1e-5, rtol=0)
    for ours, theirs in zip(leaves(state), leaves(last)):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_first_step_without_a_state_is_the_first_prediction() -> None:
    network, frames = small(), video()
    torch.testing.assert_close(network.step(frames[:, 0], None)[0],
                               network.next_frames(frames)[0][:, 0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_changes_neither_predictions_nor_states() -> None:
    network, frames = small(), video()
    padded, states = network.next_frames(frames, lengths=[2, 4])
    alone, state = network.next_frames(frames[:1, :2])
    torch.testing.assert_close(padded[:1, :2], alone, atol=1e-5, rtol=0)
    assert not padded[0, 2:].any()
    for ours, theirs in zip(leaves(states), leaves(state)):
        torch.testing.assert_close(ours[:1], theirs, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_clip_goes_on_from_the_state_inside_another() -> None:
    network, frames = small(), video(steps=5)
    whole, _ = network.next_frames(frames)
    _, state = network.next_frames(frames, state_at=[2, 2])
    rest, _ = network.next_frames(frames[:, 2:], state)
    torch.testing.assert_close(rest, whole[:, 2:], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_clip_that_starts_with_another_starts_from_the_same_zero_state() -> None:
    network, frames = small(), video()
    _, state = network.next_frames(frames, state_at=[0, 3])
    again, _ = network.next_frames(frames, state)
    torch.testing.assert_close(again[0], network.next_frames(frames)[0][0], atol=1e-5, rtol=0)


@pytest.mark.parametrize('core', CORES)
def test_feedback_sends_a_gradient_to_every_parameter(core: str) -> None:
    layer = dict(type='ConvLSTM') if core == 'convlstm' else dict(temporal_dropout=0.0)
    network, frames = small(core, layer=layer).train(), video(steps=6)
    given = torch.zeros(1, 2, dtype=torch.bool)
    F.mse_loss(network(frames, 3, given), frames[:, 3:]).backward()
    assert [name for name, p in network.named_parameters() if not p.grad.any()] == []


@torch.no_grad()
def test_the_memory_of_a_state_does_not_grow_with_the_steps() -> None:
    network = small()
    frame, state = network.observe(video())
    held = []
    for _ in range(4):
        frame, state = network.step(frame, state)
        held.append(sum(leaf.untyped_storage().nbytes() for leaf in leaves(state)))
    assert held == [sum(leaf.numel() * leaf.element_size() for leaf in leaves(state))] * 4


def as_published(network: MCnet, frames: Tensor, moved: Tensor) -> Tensor:
    """The next frame of two, layer by layer as MCnet's code has it, on what the core gave."""

    def relu_convolutions(part: nn.Module, x: Tensor) -> Tensor:
        for layer in (module for module in part if isinstance(module, nn.Conv2d)):
            x = F.conv2d(x, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2).relu()
        return x

    difference, content = frames[:, 1] - frames[:, 0], frames[:, 1] * 2 - 1
    residuals = []
    for motion_scale, content_scale, residual in zip(network.motion.scales, network.content.scales,
                                                     network.residuals):
        before = [relu_convolutions(motion_scale, difference),
                  relu_convolutions(content_scale, content)]
        residuals.append(F.conv2d(relu_convolutions(residual[:1], torch.cat(before, 1)),
                                  residual[2].weight, residual[2].bias, padding=1))
        difference, content = (F.max_pool2d(maps, 2) for maps in before)
    maps = relu_convolutions(network.combine, torch.cat([moved, content], 1))
    corner = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    for scale in (2, 1, 0):
        maps = (torch.kron(maps, corner) + residuals[scale]).relu()
        for layer in network.decoder.scales[scale]:
            if isinstance(layer, nn.ConvTranspose2d):
                kernel = layer.weight.transpose(0, 1).flip(2, 3)
                maps = F.conv2d(maps, kernel, layer.bias, padding=1)
                maps = maps.tanh() if maps.shape[1] == 1 else maps.relu()
    return (maps + 1) / 2


@torch.no_grad()
def test_a_prediction_is_what_the_published_layers_give() -> None:
    network, frames = small(), video(steps=2)
    differences = torch.stack([torch.zeros_like(frames[:, 0]), frames[:, 1] - frames[:, 0]], 1)
    features = torch.stack([network.motion(difference)[0] for difference in differences.unbind(1)],
                           dim=1)
    moved = network.rnn(features)[0][:, 1]
    torch.testing.assert_close(network.observe(frames)[0], as_published(network, frames, moved),
                               atol=1e-5, rtol=0)


@torch.no_grad()
def test_colour_changes_at_one_grey_value_are_no_motion() -> None:
    network = small(channels=3)
    grey, green = torch.full((1, 3, 8, 8), 0.2935), torch.zeros(1, 3, 8, 8)
    green[:, 1] = 0.5
    _, moved = network.next_frames(torch.stack([grey, green], dim=1))
    _, still = network.next_frames(torch.stack([green, green], dim=1))
    for ours, theirs in zip(leaves(moved), leaves(still)):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@torch.no_grad()
def test_predictions_lie_in_0_to_1_whatever_the_frames_are() -> None:
    predictions = small().rollout(100 * video() - 50, 3)
    assert predictions.shape == (2, 3, 1, 16, 24)
    assert 0 <= float(predictions.min()) <= float(predictions.max()) <= 1


def test_frames_that_cannot_be_halved_three_times_are_refused() -> None:
    with pytest.raises(ValueError, match='20x24 .* multiple of 8'):
        small().next_frames(video(size=(20, 24)))


@torch.no_grad()
def test_the_state_of_another_batch_is_refused() -> None:
    network = small()
    _, state = network.observe(video(batch=3))
    with pytest.raises(ValueError, match=r'\(2, 1, 16, 24\).* got \(\(3, 1, 16, 24\)'):
        network.step(video()[:, 0], state)


@pytest.mark.parametrize('options, message', [
    (dict(channels=2), r'channels is 2, .* use 1 \(grey\) or 3 \(RGB\)'),
    (dict(pool_after=5), 'keep the size of its maps, .* leave out pool_after')])
def test_a_network_that_cannot_work_is_refused_when_it_is_built(options: dict,
                                                                message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**options)
