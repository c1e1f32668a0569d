"""One optimizer for each network, under MMEngine's runner."""
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from torch import nn

from cbm_plugin.prediction.training.optim_wrappers import NetworksOptimWrapperConstructor


class Two(nn.Module):
    """Two networks; perhaps a parameter beside them."""

    def __init__(self, beside: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 1)
        self.quiet = nn.ReLU()
        if beside:
            self.scale = nn.Parameter(torch.ones(1))


def entry(**options: object) -> dict:
    return dict(optimizer=dict(type='SGD', lr=0.5), **options)


def build(model: nn.Module, **entries: object) -> object:
    """As the runner does."""
    config = ConfigDict(constructor='NetworksOptimWrapperConstructor', **entries)
    return build_optim_wrapper(model, config)


def test_each_network_gets_the_optimizer_of_its_entry() -> None:
    model = Two()
    wrappers = build(model, first=entry(type='Bfloat16OptimWrapper'), second=dict(
        optimizer=dict(type='Adam', lr=0.1), paramwise_cfg=dict(bias_lr_mult=10)))
    held = {name: [id(p) for group in wrapper.optimizer.param_groups for p in group['params']]
            for name, wrapper in wrappers.items()}
    assert held == {name: [id(p) for p in getattr(model, name).parameters()]
                    for name in ('first', 'second')}
    assert type(wrappers['first']).__name__ == 'Bfloat16OptimWrapper'
    assert [group['lr'] for group in wrappers['second'].optimizer.param_groups] == [0.1, 1.0]


@pytest.mark.parametrize('name', ['third', 'quiet'])
def test_an_entry_of_no_network_is_named_and_the_networks_listed(name: str) -> None:
    with pytest.raises(ValueError, match=f"no child module '{name}' with parameters to train: it "
                                         'has first, second'):
        build(Two(), first=entry(), second=entry(), **{name: entry()})


def test_a_network_without_an_entry_is_named() -> None:
    with pytest.raises(ValueError, match='2 parameters of Two .* the first is second.weight'):
        build(Two(), first=entry())


def test_a_parameter_beside_the_networks_is_named() -> None:
    with pytest.raises(ValueError, match='1 parameters of Two .* the first is scale'):
        build(Two(beside=True), first=entry(), second=entry())


def test_a_frozen_network_needs_no_entry() -> None:
    model = Two()
    model.second.requires_grad_(False)
    assert list(build(model, first=entry()).keys()) == ['first']


def test_options_that_belong_into_an_entry_are_refused() -> None:
    with pytest.raises(ValueError, match='move it into the entry'):
        NetworksOptimWrapperConstructor(dict(first=entry()), paramwise_cfg=dict())
    with pytest.raises(ValueError, match='has an entry for each network.*but has type, optimizer'):
        build(Two(), type='OptimWrapper', optimizer=dict(type='SGD', lr=1))


def test_norms_of_clipped_gradients_are_logged_by_network() -> None:
    hub = MessageHub.get_instance('norms by network')
    wrappers = build(Two(), first=entry(clip_grad=dict(max_norm=1)),
                     second=entry(clip_grad=dict(max_norm=1)))
    for scale, wrapper in zip((3, 5), wrappers.values()):
        wrapper.message_hub = hub
        parameters = [p for group in wrapper.param_groups for p in group['params']]
        wrapper.update_params(sum(scale * p.flatten()[0] for p in parameters))
    logged = {name: history.current() for name, history in hub.log_scalars.items()}
    assert logged == pytest.approx({'train/first.grad_norm': 18 ** 0.5,
                                    'train/second.grad_norm': 50 ** 0.5})


def test_accumulation_ends_with_the_last_iteration_and_goes_on_after_a_resume() -> None:
    model = Two()
    torch.nn.init.zeros_(model.first.bias)  # from there the updates are exact
    wrappers = build(model, first=entry(accumulative_counts=2), second=entry())
    wrappers.initialize_count_status(model, 4, 7)
    updates = []
    for _ in range(4, 7):
        before = model.first.bias.detach().clone()
        wrappers['first'].update_params(model.first.bias.sum())
        updates.append((before - model.first.bias.detach())[0].item())
    # the mean of two gradients of 1, then the last one alone, at a rate of 0.5
    assert updates == [0, 0.5, 0.5]


def test_a_model_that_expects_one_optimizer_is_told_so() -> None:
    model = Two()
    with pytest.raises(TypeError, match='Two is trained by one optimizer wrapper, but '
                                        r'optim_wrapper has 2 \(first, second\)'):
        with build(model, first=entry(), second=entry()).optim_context(model):
            pass
