"""A loss that is no number never reaches the weights: the training stops, or goes on without it."""
import math
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from cbm_plugin.engine import NonFiniteLossHook

from ..prediction.training.tiny_adversarial import (
    NoiseSequences,
    optim_config,
    tiny_predictor,
    weights,
)
from ..tiny_run import ROOT

BAD = 3
"""The sample that overflows."""


class Samples(torch.utils.data.Dataset):
    """A vector each, in order; ``numbers`` without 3 are all good."""

    def __init__(self, numbers: Sequence[int] = range(6)) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> dict:
        number = self.numbers[index]
        sample = BaseDataElement(metainfo=dict(name=f'sample {number}', sample_idx=number))
        sample.target = torch.tensor([float(number)])
        value = 1e30 if number == BAD else 1.0 + number
        return dict(inputs=torch.full((2,), value), data_samples=sample)


class Squares(BaseModel):
    """A linear model whose squared error overflows on large inputs, and running statistics."""

    def __init__(self, log: Callable[[torch.Tensor], dict]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(2, 1)
        self.norm = torch.nn.BatchNorm1d(2)
        self.log = log

    def forward(self, inputs: Any, data_samples: Any, mode: str = 'loss') -> dict:
        inputs = torch.stack(list(inputs))
        if len(inputs) > 1:
            self.norm(inputs)
        return self.log(self.linear(inputs * 1e-3).square().mean())


class LogsAfterwards(Squares):
    """Sums its loss up by itself."""

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict:
        losses = self(**data)
        optim_wrapper.update_params(losses['loss_square'] * 0)
        return losses


def build(folder: Path, model: BaseModel, hook: Optional[dict] = None,
          numbers: Sequence[int] = range(6), batch_size: int = 2, epochs: int = 1,
          accumulative_counts: int = 1, **options: Any) -> Runner:
    return Runner(
        model=model, work_dir=str(folder / 'run'), experiment_name=f'{folder.name}_{id(model)}',
        train_dataloader=dict(batch_size=batch_size, num_workers=0, dataset=Samples(numbers),
                              sampler=dict(type='SeededSampler', shuffle=False),
                              collate_fn=dict(type='pseudo_collate')),
        train_cfg=dict(by_epoch=True, max_epochs=epochs), default_scope='mmaction',
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
                           accumulative_counts=accumulative_counts),
        custom_hooks=[dict(type='NonFiniteLossHook', **(hook or {}))], randomness=dict(seed=5),
        **options)


SKIP = dict(action='skip')


def squares(error: torch.Tensor) -> dict:
    return dict(loss_square=error, loss_other=torch.ones_like(error))


@pytest.fixture(scope='module')
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A run that met the bad sample in its second batch."""
    folder = tmp_path_factory.mktemp('stopped')
    runner = build(folder, Squares(squares))
    seen = []
    runner.model.linear.register_forward_pre_hook(
        lambda linear, _: seen.append(linear.weight.detach().clone()))
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    return dict(runner=runner, seen=seen, message=str(error.value),
                state={name: value.clone() for name, value in runner.model.state_dict().items()},
                path=folder / 'run' / 'nonfinite_iter_2.pth')


def test_the_message_names_the_loss_the_iteration_the_samples_and_the_file(stopped: dict) -> None:
    message = stopped['message']
    assert message.startswith('loss_square is not finite in iteration 2 (loss=inf, '
                              'loss_square=inf, loss_other=1), on the samples sample 2, sample 3:')
    assert str(stopped['path']) in message


def test_weights_and_momentum_are_those_before_the_iteration(stopped: dict) -> None:
    linear = stopped['runner'].model.linear
    assert torch.equal(linear.weight, stopped['seen'][-1])
    assert not torch.equal(linear.weight, stopped['seen'][0])  # one good iteration before
    momenta = stopped['runner'].optim_wrapper.optimizer.state.values()
    assert all(state['momentum_buffer'].isfinite().all() for state in momenta)


def test_the_batch_is_saved_whole_and_loads_without_trust(stopped: dict) -> None:
    saved = torch.load(stopped['path'], weights_only=True)
    assert (saved['iteration'], saved['epoch'], saved['rank'], saved['seed']) == (2, 0, 0, 5)
    assert saved['names'] == ['sample 2', 'sample 3']
    assert torch.equal(torch.stack(saved['inputs']), torch.tensor([[3.0] * 2, [1e30] * 2]))
    assert saved['samples'][1]['target'] == 3 and saved['samples'][1]['sample_idx'] == 3
    assert saved['state_dict'].keys() == stopped['state'].keys()
    assert all(torch.equal(saved['state_dict'][name], value)
               for name, value in stopped['state'].items())
    assert saved['losses'] == dict(loss=math.inf, loss_square=math.inf, loss_other=1.0)


def test_the_batch_overflows_again_when_it_is_replayed(stopped: dict) -> None:
    saved = torch.load(stopped['path'], weights_only=True)
    losses = stopped['runner'].model(saved['inputs'], None)
    assert losses['loss_square'] == math.inf


def test_a_loss_that_the_model_sums_up_by_itself_is_seen_after_the_iteration(tmp_path: Path
                                                                             ) -> None:
    with pytest.raises(FloatingPointError, match='the weights are those after this iteration'):
        build(tmp_path, LogsAfterwards(squares), SKIP).train()
    assert (tmp_path / 'run' / 'nonfinite_iter_2.pth').is_file()


def test_what_is_no_loss_may_be_infinite_and_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    def harmless(error: torch.Tensor) -> dict:
        return dict(loss_none=torch.zeros((), requires_grad=True), largest=error.detach())

    runner = build(tmp_path, Squares(harmless), batch_size=1)  # of one, there are no statistics
    runner.train()
    assert runner.iter == 6
    assert not {'parse_losses', 'train_step'} & vars(runner.model).keys()
    assert 'step' not in vars(runner.optim_wrapper)


def test_running_statistics_are_those_before_the_iteration(stopped: dict) -> None:
    assert stopped['state']['norm.running_var'].isfinite().all()
    assert stopped['state']['norm.num_batches_tracked'] == 1


def test_a_gradient_that_is_no_number_stops_too_though_the_loss_is_one(tmp_path: Path) -> None:
    def root_of_nothing(error: torch.Tensor) -> dict:
        return dict(loss_root=(error * 0).sqrt())

    runner = build(tmp_path, Squares(root_of_nothing), numbers=[0, 1])
    start = runner.model.linear.weight.detach().clone()
    with pytest.raises(FloatingPointError, match='the gradient of linear.weight is not finite in '
                                                 'iteration 1, on the samples sample 0, sample 1'):
        runner.train()
    assert torch.equal(runner.model.linear.weight, start)
    assert (tmp_path / 'run' / 'nonfinite_iter_1.pth').is_file()


def test_an_overflow_that_only_running_statistics_keep_stops_too(tmp_path: Path) -> None:
    runner = build(tmp_path, Squares(lambda error: dict(loss_clamped=error.clamp_max(1))))
    with pytest.raises(FloatingPointError, match=r'norm.running_var is not finite in iteration 2 '
                                                 r'\(loss=1, loss_clamped=1\), on the samples'):
        runner.train()
    assert runner.model.norm.running_var.isfinite().all()


# --- going on without the iteration


def assert_ends_alike(skipping: Runner, without: Runner) -> None:
    """Same weights, statistics and momentum."""
    for runner in (skipping, without):
        runner.train()
    ours, reference = skipping.model.state_dict(), without.model.state_dict()
    assert all(torch.equal(ours[name], value) for name, value in reference.items())
    for mine, other in zip(*(runner.optim_wrapper.optimizer.state_dict()['state'].values()
                             for runner in (skipping, without))):
        assert torch.equal(mine['momentum_buffer'], other['momentum_buffer'])


def test_a_skipped_iteration_leaves_no_trace_but_in_the_count(tmp_path: Path) -> None:
    assert_ends_alike(build(tmp_path, Squares(squares), SKIP),
                      build(tmp_path, Squares(squares), numbers=[0, 1, 4, 5]))
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'iteration 2 (loss=inf, loss_square=inf, loss_other=1), on the samples sample 2, ' \
           'sample 3: iteration skipped, the 1. of at most max_skipped=20' in log
    assert '1 of 3 iterations were skipped' in log


def test_the_first_iteration_can_be_skipped_too(tmp_path: Path) -> None:
    assert_ends_alike(build(tmp_path, Squares(squares), SKIP, numbers=[BAD, 1, 4, 5]),
                      build(tmp_path, Squares(squares), numbers=[4, 5]))


def test_what_was_accumulated_for_a_skipped_update_does_not_reach_the_next(tmp_path: Path) -> None:
    options = dict(batch_size=1, accumulative_counts=2)
    assert_ends_alike(build(tmp_path, Squares(squares), SKIP, **options),
                      build(tmp_path, Squares(squares), numbers=[0, 1, 4, 5], **options))


def test_schedules_count_a_skipped_iteration(tmp_path: Path) -> None:
    schedule = dict(type='MultiStepLR', milestones=[2], by_epoch=False)
    runner = build(tmp_path, Squares(squares), SKIP, param_scheduler=schedule)
    runner.train()
    assert runner.optim_wrapper.get_lr()['lr'] == [pytest.approx(0.01)]


def test_the_loss_that_is_logged_stays_a_number(tmp_path: Path) -> None:
    runner = build(tmp_path, Squares(squares), SKIP)
    runner.train()
    values, _ = runner.message_hub.get_scalar('train/loss').data
    assert len(values) == 2 and all(map(math.isfinite, values))


def test_one_iteration_more_than_may_be_skipped_stops_a_resumed_run_too(tmp_path: Path) -> None:
    hook = dict(SKIP, max_skipped=1)
    build(tmp_path, Squares(squares), hook).train()
    again = build(tmp_path, Squares(squares), hook, epochs=2, resume=True)
    with pytest.raises(FloatingPointError, match='iteration 5 .* after 1 skipped iterations'):
        again.train()
    assert (tmp_path / 'run' / 'nonfinite_iter_5.pth').is_file()


@pytest.mark.parametrize('options, message', [
    (dict(action='ignore'), "must be 'stop' or 'skip'"),
    (dict(max_skipped=-1), 'max_skipped is -1')])
def test_impossible_options_are_refused_when_the_config_is_read(options: dict,
                                                                message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NonFiniteLossHook(**options)


# --- networks that are trained in turn


def adversarial(folder: Path, poison: str) -> dict:
    """A run of two iterations, the second with a child whose output is no number: what changed."""
    model = tiny_predictor(adversarial_weight=0.5)
    calls = []

    def spoil(module: torch.nn.Module, inputs: Any, output: Any) -> Any:
        calls.append(module)
        return output * math.inf if len(calls) == 2 else output

    model.get_submodule(poison).register_forward_hook(spoil)
    runner = Runner(
        model=model, work_dir=str(folder), experiment_name=f'{folder.name}_{id(model)}',
        train_dataloader=dict(batch_size=3, num_workers=0, dataset=NoiseSequences(6),
                              sampler=dict(type='SeededSampler'),
                              collate_fn=dict(type='pseudo_collate')),
        train_cfg=dict(by_epoch=True, max_epochs=1), default_scope='mmaction',
        optim_wrapper=dict(optim_config(lr=0.01), constructor='NetworksOptimWrapperConstructor'),
        custom_hooks=[dict(type='NonFiniteLossHook', **SKIP)])
    seen = []
    model.data_preprocessor.register_forward_pre_hook(lambda *_: seen.append(weights(model)))
    runner.train()
    return {name: not torch.equal(value, seen[1][name]) for name, value in weights(model).items()}


def test_neither_network_learns_from_a_prediction_that_is_no_number(tmp_path: Path) -> None:
    assert not any(adversarial(tmp_path, 'network').values())


def test_a_discriminator_that_has_learned_keeps_its_step_when_a_frame_loss_is_no_number(
        tmp_path: Path) -> None:
    changed = adversarial(tmp_path, 'losses.loss_mse')
    assert any(value for name, value in changed.items() if name.startswith('discriminator.'))
    assert not any(value for name, value in changed.items() if name.startswith('network.'))


# --- everywhere


@pytest.mark.parametrize('path', [
    'recognition/cbm15_scratch_1xb32-6to10x1x2-10e_motion-clips-rgb',
    'polygon/polygon-cbm15_scratch_1xb16-2clips-3e_synthetic-shapes',
    'prediction/cbm15_scratch_1xb8-10to10-2e_moving-shapes'])
def test_a_config_has_the_hook_once_though_it_lists_its_own(path: str) -> None:
    cfg = Config.fromfile(ROOT / f'configs/{path}.py', import_custom_modules=False)
    hooks = [*cfg.default_hooks.values(), *cfg.custom_hooks]
    assert [hook['type'] for hook in hooks].count('NonFiniteLossHook') == 1
