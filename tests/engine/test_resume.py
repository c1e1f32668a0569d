"""A resumed run is the uninterrupted one, to the last bit."""
from pathlib import Path
from typing import Iterator

import pytest
import torch

from ..tiny_run import tiny_config, train

ITERATIONS = 6  # two epochs of three


def config(folder: Path, name: str, **options: object) -> object:
    cfg = tiny_config(folder, name, **options)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=1)
    return cfg


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run that keeps a checkpoint of every iteration."""
    folder = tmp_path_factory.mktemp('resume')
    torch.set_num_threads(1)
    train(config(folder, 'whole'))
    return folder


def final(folder: Path) -> dict:
    return torch.load(folder / f'iter_{ITERATIONS}.pth')


def assert_equal(a: object, b: object, where: str = '') -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f'{where}/{key}')
    elif isinstance(a, (list, tuple)):
        for i, (x, y) in enumerate(zip(a, b)):
            assert_equal(x, y, f'{where}/{i}')
    else:
        assert a == b, where


@pytest.mark.parametrize('stopped_after', range(1, ITERATIONS))
def test_a_run_resumed_after_any_iteration_ends_with_the_same_weights_and_optimizer_state(
        uninterrupted: Path, stopped_after: int) -> None:
    name = f'resumed_{stopped_after}'
    train(config(uninterrupted, name), uninterrupted / 'whole' / f'iter_{stopped_after}.pth')
    resumed, whole = final(uninterrupted / name), final(uninterrupted / 'whole')
    assert_equal(resumed['state_dict'], whole['state_dict'])
    assert_equal(resumed['optimizer'], whole['optimizer'])
    assert_equal(resumed['param_schedulers'], whole['param_schedulers'])


def test_another_seed_ends_with_other_weights(uninterrupted: Path) -> None:
    train(config(uninterrupted, 'other', **{'randomness.seed': 1}))
    ours, whole = final(uninterrupted / 'other'), final(uninterrupted / 'whole')
    key = 'neck.rnn.layers.1.temporal.state_unit.weight'
    assert not torch.equal(ours['state_dict'][key], whole['state_dict'][key])


def test_a_sampler_that_cannot_skip_is_named_when_a_run_resumes_in_mid_epoch(
        uninterrupted: Path) -> None:
    cfg = config(uninterrupted, 'stock_sampler')
    cfg.train_dataloader.sampler.type = 'DefaultSampler'
    with pytest.raises(TypeError, match="sampler.type to 'SeededSampler'"):
        train(cfg, uninterrupted / 'whole' / 'iter_1.pth')
