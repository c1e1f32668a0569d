"""A resumed adversarial run is the uninterrupted one, to the last bit, in both networks."""
from pathlib import Path
from typing import Iterator, Optional

import pytest
import torch
from mmengine.runner import Runner

import cbm_plugin.engine  # noqa: F401  (registers)

from ...engine.test_resume import assert_equal
from .tiny_adversarial import NoiseSequences, predictor_config

ITERATIONS = 8  # two epochs of four


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def train(folder: Path, name: str, resume_from: Optional[Path] = None) -> Runner:
    """With all that a checkpoint may forget: momenta, schedules, feeding, dropout, pauses.

    By MCnet's rule the network pauses in iterations 3 to 6, the discriminator after the last.
    """
    entry = dict(type='Bfloat16OptimWrapper', accumulative_counts=2, clip_grad=dict(max_norm=1.0),
                 optimizer=dict(type='Adam', lr=1e-2, betas=(0.5, 0.999)))
    runner = Runner(
        model=dict(type='AdversarialPredictor', adversarial_weight=0.5, balance_margin=0.3,
                   **predictor_config(random=True, feeding='scheduled')),
        work_dir=str(folder / name), experiment_name=f'{folder.name}_{name}',
        train_dataloader=dict(batch_size=2, num_workers=0, dataset=NoiseSequences(8),
                              sampler=dict(type='SeededSampler', shuffle=True),
                              collate_fn=dict(type='pseudo_collate')),
        train_cfg=dict(type='ResumableEpochLoop', max_epochs=2),
        optim_wrapper=dict(constructor='NetworksOptimWrapperConstructor', network=entry,
                           discriminator=dict(entry, clip_grad=None,
                                              optimizer=dict(type='Adam', lr=0.1))),
        param_scheduler=dict(
            network=dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=ITERATIONS),
            discriminator=dict(type='ConstantLR', factor=0.5, by_epoch=False, end=5)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2)),
        custom_hooks=[dict(type='SeedIterationHook')], default_scope='mmaction',
        randomness=dict(seed=0), load_from=None if resume_from is None else str(resume_from),
        resume=resume_from is not None)
    runner.train()
    return runner


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A whole run that keeps a checkpoint of every update."""
    torch.set_num_threads(1)
    return train(tmp_path_factory.mktemp('adversarial'), 'whole')


@pytest.mark.parametrize('stopped_after', [2, 6])  # in the middle of each epoch
def test_resumed_in_mid_epoch_both_networks_and_both_optimizers_end_the_same(
        uninterrupted: Runner, stopped_after: int) -> None:
    whole = Path(uninterrupted.work_dir)
    name = f'resumed_{stopped_after}'
    train(whole.parent, name, whole / f'iter_{stopped_after}.pth')
    theirs, ours = (torch.load(work_dir / f'iter_{ITERATIONS}.pth')
                    for work_dir in (whole, whole.parent / name))
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_equal(ours[part], theirs[part], part)
    assert set(theirs['optimizer']) == {'network', 'discriminator'}


def test_the_run_to_be_repeated_trained_both_networks_and_had_pauses(uninterrupted: Runner) -> None:
    whole = Path(uninterrupted.work_dir)
    early, late = (torch.load(whole / f'iter_{iteration}.pth')['state_dict']
                   for iteration in (2, ITERATIONS))
    for name in ('network.embed.weight', 'discriminator.features.0.weight', 'trains'):
        assert not torch.equal(early[name], late[name])


def test_losses_rates_and_the_clipped_networks_norm_are_logged_by_name(
        uninterrupted: Runner) -> None:
    logged = set(uninterrupted.message_hub.log_scalars)
    assert {f'train/{name}' for name in (
        'loss', 'loss_mse', 'loss_gdl', 'loss_adv', 'loss_disc', 'acc_real', 'acc_fake',
        'network.lr', 'discriminator.lr', 'network.grad_norm')} <= logged
    assert 'train/discriminator.grad_norm' not in logged and 'train/grad_norm' not in logged
