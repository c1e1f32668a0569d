"""A loss that is no number ends the training before it reaches the weights, with its batch."""
import math
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

import cbm_plugin.engine.number_guard  # noqa: F401  (registers)

BAD = 3
"""The sample that overflows."""


class Samples(torch.utils.data.Dataset):
    """Numbers from 0 to 5, in order; a vector each."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict:
        sample = BaseDataElement(metainfo=dict(name=f'sample {int(index)}', sample_idx=index))
        sample.target = torch.tensor([float(index)])
        return dict(inputs=torch.full((2,), 1e30 if index == BAD else 1.0), data_samples=sample)


class Squares(BaseModel):
    """A linear model whose squared error overflows on large inputs."""

    def __init__(self, log: Callable[[torch.Tensor], dict]) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)
        self.log = log

    def forward(self, inputs: Any, data_samples: Any, mode: str = 'loss') -> dict:
        error = self.linear(torch.stack(list(inputs))).square().mean()
        return self.log(error)


class LogsAfterwards(Squares):
    """Sums its loss up by itself."""

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict:
        losses = self(**data)
        optim_wrapper.update_params(losses['loss_square'] * 0)
        return losses


def run(folder: Path, model: BaseModel) -> Runner:
    return Runner(
        model=model, work_dir=str(folder / 'run'), experiment_name=folder.name,
        train_dataloader=dict(batch_size=2, num_workers=0, dataset=Samples(),
                              sampler=dict(type='SeededSampler', shuffle=False),
                              collate_fn=dict(type='pseudo_collate')),
        train_cfg=dict(by_epoch=True, max_epochs=1), default_scope='mmaction',
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        custom_hooks=[dict(type='NonFiniteLossHook')], randomness=dict(seed=5))


def squares(error: torch.Tensor) -> dict:
    return dict(loss_square=error, loss_other=torch.ones_like(error))


@pytest.fixture(scope='module')
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A run that met the bad sample in its second batch."""
    folder = tmp_path_factory.mktemp('stopped')
    runner = run(folder, Squares(squares))
    seen = []
    runner.model.linear.register_forward_pre_hook(
        lambda linear, _: seen.append(linear.weight.detach().clone()))
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    return dict(runner=runner, seen=seen, message=str(error.value),
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
    assert torch.equal(torch.stack(saved['inputs']), torch.tensor([[1.0] * 2, [1e30] * 2]))
    assert saved['samples'][1]['target'] == 3 and saved['samples'][1]['sample_idx'] == 3
    assert saved['losses'] == dict(loss=math.inf, loss_square=math.inf, loss_other=1.0)


def test_the_batch_overflows_again_when_it_is_replayed(stopped: dict) -> None:
    saved = torch.load(stopped['path'], weights_only=True)
    losses = stopped['runner'].model(saved['inputs'], None)
    assert losses['loss_square'] == math.inf


def test_a_loss_that_the_model_sums_up_by_itself_is_seen_after_the_iteration(tmp_path: Path
                                                                             ) -> None:
    with pytest.raises(FloatingPointError, match='the weights are those after this iteration'):
        run(tmp_path, LogsAfterwards(squares)).train()
    assert (tmp_path / 'run' / 'nonfinite_iter_2.pth').is_file()


def test_what_is_no_loss_may_be_infinite_and_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    def harmless(error: torch.Tensor) -> dict:
        return dict(loss_none=torch.zeros((), requires_grad=True), largest=error.detach())

    runner = run(tmp_path, Squares(harmless))
    runner.train()
    assert runner.iter == 3
    assert 'parse_losses' not in vars(runner.model)
