"""Adversarial training: what each step trains, and what is logged."""
from typing import Dict

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch.nn import functional as F

from cbm_plugin.overlap import ClipPlan
from cbm_plugin.prediction.training.optim_wrappers import NetworksOptimWrapperConstructor

from .tiny_adversarial import (
    NUM_INPUTS,
    optim_config,
    optim_wrappers,
    tiny_batch,
    tiny_predictor,
    weights,
)


def change(before: Dict[str, torch.Tensor], model: torch.nn.Module) -> Dict[str, torch.Tensor]:
    return {name: before[name] - value for name, value in weights(model).items()}


def by_hand(model: torch.nn.Module, data: dict, adversarial_weight: float) -> Dict[str, dict]:
    """Gradients of the discriminator, and of the network against the trained discriminator."""
    inputs = torch.stack(data['inputs']).float() / 255
    seen, truth = inputs[:, :NUM_INPUTS], inputs[:, NUM_INPUTS:]
    given = torch.zeros(1, truth.shape[1] - 1, dtype=torch.bool)
    predictions = model.network(inputs, NUM_INPUTS, given)

    real, fake = model.discriminator(seen, truth, predictions.detach())
    loss_disc = F.softplus(-real).mean() + F.softplus(fake).mean()
    discriminator = dict(model.discriminator.named_parameters())
    of_discriminator = torch.autograd.grad(loss_disc, list(discriminator.values()))
    with torch.no_grad():
        for parameter, gradient in zip(discriminator.values(), of_discriminator):
            parameter -= gradient

    fake, = model.discriminator(seen, predictions)
    losses = dict(loss_mse=4 * (predictions - truth).square().mean(),
                  loss_gdl=model.losses['loss_gdl'](predictions, truth),
                  loss_adv=adversarial_weight * F.softplus(-fake).mean())
    network = dict(model.network.named_parameters())
    of_network = torch.autograd.grad(sum(losses.values()), list(network.values()))
    return dict(losses=dict(losses, loss_disc=loss_disc, loss=sum(losses.values())),
                gradients={**{f'network.{name}': g for name, g in zip(network, of_network)},
                           **{f'discriminator.{name}': g
                              for name, g in zip(discriminator, of_discriminator)}})


def test_an_iteration_is_a_step_of_the_discriminator_then_one_of_the_network_against_it() -> None:
    data, model = tiny_batch(), tiny_predictor(adversarial_weight=0.5)
    expected = by_hand(tiny_predictor(), data, 0.5)
    before = weights(model)
    logs = model.train_step(data, optim_wrappers(model))
    for name, difference in change(before, model).items():
        torch.testing.assert_close(difference, expected['gradients'][name], atol=1e-6, rtol=1e-4)
    for name, value in expected['losses'].items():
        torch.testing.assert_close(logs[name], value, atol=1e-6, rtol=1e-5)
    assert set(logs) == {*expected['losses'], 'acc_real', 'acc_fake'}


def test_accuracies_are_the_shares_judged_right() -> None:
    model = tiny_predictor()
    torch.nn.init.zeros_(model.discriminator.classify.weight)
    torch.nn.init.constant_(model.discriminator.classify.bias, 1.0)  # all is judged true
    logs = model.train_step(tiny_batch(), optim_wrappers(model, lr=0.0))
    assert (logs['acc_real'], logs['acc_fake']) == (1, 0)


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'Bfloat16OptimWrapper'])
def test_a_batch_accumulated_twice_moves_both_networks_at_once_by_the_step_of_the_batch(
        wrapper: str) -> None:
    data, steps = tiny_batch(), []
    for counts in (1, 2):
        # No adversarial loss: its second half would meet a discriminator that has moved.
        model = tiny_predictor(adversarial_weight=0.0)
        wrappers = optim_wrappers(model, wrapper=wrapper, accumulative_counts=counts)
        before = weights(model)
        steps.append([])
        for _ in range(counts):
            model.train_step(data, wrappers)
            steps[-1].append(change(before, model))
    once, (nothing, twice) = steps[0][0], steps[1]
    assert not any(value.any() for value in nothing.values())
    for name in once:
        torch.testing.assert_close(twice[name], once[name], atol=1e-6, rtol=1e-4)


def test_in_bfloat16_both_networks_train_and_weights_stay_float32() -> None:
    model = tiny_predictor()
    before = weights(model)
    model.train_step(tiny_batch(), optim_wrappers(model, wrapper='Bfloat16OptimWrapper'))
    after = weights(model)
    assert {value.dtype for value in after.values()} == {torch.float32}
    assert all(not torch.equal(after[name], before[name]) for name in
               ('network.embed.weight', 'discriminator.features.0.weight'))


def test_only_the_predictions_after_the_inputs_are_judged_when_the_inputs_are_learnt_too() -> None:
    model = tiny_predictor(inputs_too=True)
    logs = model.train_step(tiny_batch(), optim_wrappers(model))
    assert logs['loss_adv'].isfinite()


class FixedJudge(torch.nn.Module):
    """Gives one logit to all that is true and one to all that is predicted."""

    def __init__(self, real: float, fake: float) -> None:
        super().__init__()
        self.real = torch.nn.Parameter(torch.tensor(real))
        self.fake = torch.nn.Parameter(torch.tensor(fake))

    def forward(self, inputs: torch.Tensor, *outputs: torch.Tensor) -> list:
        logits = [self.real, self.fake] if len(outputs) == 2 else [self.fake]
        return [logit.expand(len(inputs)) for logit in logits]


# Cross-entropies of the truth and of predictions, against margins of 0.3 and 0.7:
@pytest.mark.parametrize('real, fake, pausing', [
    (0.0, 0.0, None),  # 0.69 and 0.69
    (0.4, 0.4, 'network'),  # 0.51 and 0.91: the discriminator is deceived
    (3.0, 0.0, 'discriminator'),  # 0.05 and 0.69: it knows the truth
    (3.0, 3.0, None),  # 0.05 and 3.05: both would pause
])
def test_with_a_margin_the_stronger_one_pauses(real: float, fake: float, pausing: str) -> None:
    model = tiny_predictor(balance_margin=0.3)
    model.discriminator = FixedJudge(real, fake)
    wrappers = optim_wrappers(model, lr=1e-3)
    model.train_step(tiny_batch(), wrappers)
    before = weights(model)
    model.train_step(tiny_batch(), wrappers)
    moved = {name.split('.')[0] for name, value in weights(model).items()
             if not torch.equal(value, before[name])}
    assert moved == {'network', 'discriminator'} - {pausing}
    assert [wrapper.inner_count for wrapper in wrappers.values()] == [2, 2]


def test_a_single_optimizer_is_refused_with_what_to_set() -> None:
    model = tiny_predictor()
    single = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1))
    with pytest.raises(ValueError, match="constructor='NetworksOptimWrapperConstructor', network="):
        model.train_step(tiny_batch(), single)


def test_networks_that_accumulate_differently_are_refused() -> None:
    model, config = tiny_predictor(), optim_config()
    config.network.accumulative_counts = 2
    with pytest.raises(ValueError, match='2 for the network and 1 for the discriminator'):
        model.train_step(tiny_batch(), NetworksOptimWrapperConstructor(config)(model))


def test_clips_are_refused() -> None:
    model, data = tiny_predictor(), tiny_batch()
    for sample in data['data_samples']:
        sample.set_field(ClipPlan(3, ((0, 2), (1, 3))), 'clip_plan')
    with pytest.raises(ValueError, match='leave SampleFrameClips out'):
        model.train_step(data, optim_wrappers(model))


def test_sequences_without_a_truth_are_refused() -> None:
    model, data = tiny_predictor(), tiny_batch()
    data['inputs'] = [frames[:NUM_INPUTS] for frames in data['inputs']]
    with pytest.raises(ValueError, match='2 frames and all are inputs: set num_outputs'):
        model.train_step(data, optim_wrappers(model))


def test_a_negative_weight_and_a_margin_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match='adversarial_weight must be at least 0, got -1'):
        tiny_predictor(adversarial_weight=-1)
    with pytest.raises(ValueError, match='balance_margin must lie in 0..0.5, got 0.6'):
        tiny_predictor(balance_margin=0.6)
