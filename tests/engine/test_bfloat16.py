"""Mixed precision on the CPU: bfloat16 for the matrix work, float32 for what is learned."""
from pathlib import Path
from typing import Any, List, Set

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from cbm_plugin.engine import Bfloat16OptimWrapper
from cbm_plugin.overlap import ClipPlan, ClipwiseDistributedDataParallel, CoherenceSettings

from ..tiny import batch, sgd, tiny_recognizer, weights
from ..tiny_run import DEFAULT, cfg_options, tiny_config, train
from ..tools.test_train_flags import TOOLS, load
from .test_resume import assert_equal

PLANS = [ClipPlan(14, ((0, 6), (4, 9), (8, 14))), ClipPlan(11, ((1, 5), (3, 9), (9, 11)))]


class MatrixTypes(TorchDispatchMode):
    """The types of all that is convolved or multiplied as a matrix, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.forward: Set[torch.dtype] = set()
        self.backward: Set[torch.dtype] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (),
                           kwargs: Any = None) -> Any:
        name = function._schema.name.split('::')[1]
        if 'convolution' in name or name in ('mm', 'addmm', 'bmm', 'baddbmm'):
            # the one linear layer has a bias: addmm forward, mm backward
            seen = self.backward if name.endswith('backward') or name == 'mm' else self.forward
            seen.update(arg.dtype for arg in args if isinstance(arg, Tensor))
        return function(*args, **(kwargs or {}))


def wrapped(model: torch.nn.Module, kind: str = 'SGD', **options: Any) -> Bfloat16OptimWrapper:
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=1.0)
    return OPTIM_WRAPPERS.build(dict(type='Bfloat16OptimWrapper', optimizer=optimizer, **options))


def step(kind: str, plans: List[ClipPlan] = PLANS, **options: Any) -> Tensor:
    """The change of all weights in one step over all clips."""
    model = tiny_recognizer()
    model.coherence = CoherenceSettings(1.0, state='last')
    wrapper = wrapped(model, **options) if kind == 'bfloat16' else sgd(model, **options)
    for iteration in range(options.get('accumulative_counts', 1)):
        assert wrapper.inner_count == iteration and not change(model).any()
        model.train_step(batch(plans), wrapper)
    return change(model)


def change(model: torch.nn.Module) -> Tensor:
    """How far the weights are from those that ``tiny_recognizer`` starts with."""
    return torch.cat([(new - old).flatten()
                      for new, old in zip(weights(model), weights(tiny_recognizer()))])


def assert_near(ours: Tensor, exact: Tensor, share: float = 0.05) -> None:
    assert (ours - exact).norm() < share * exact.norm()


def test_all_matrix_work_of_a_step_is_in_bfloat16_and_all_of_evaluation_in_float32() -> None:
    model = tiny_recognizer()
    with MatrixTypes() as training:
        model.train_step(batch(PLANS), wrapped(model))
    assert training.forward == training.backward == {torch.bfloat16}
    model.eval()
    with torch.no_grad(), MatrixTypes() as evaluation:
        model.val_step(batch(PLANS[:1]))
    assert evaluation.forward == {torch.float32}


def test_weights_gradients_and_optimizer_state_stay_float32() -> None:
    model = tiny_recognizer('BN')
    wrapper = wrapped(model, 'Adam', accumulative_counts=2)
    model.train_step(batch(PLANS), wrapper)
    assert {p.grad.dtype for p in model.parameters()} == {torch.float32}
    model.train_step(batch(PLANS), wrapper)
    kept = [t for t in model.state_dict().values() if t.is_floating_point()]
    kept += [t for state in wrapper.optimizer.state.values() for t in state.values()]
    assert len(wrapper.optimizer.state) == len(weights(model))
    assert {t.dtype for t in kept} == {torch.float32}


@pytest.mark.parametrize('options', [
    {}, dict(accumulative_counts=2), dict(clip_grad=dict(max_norm=0.01))])
def test_a_step_over_clips_is_that_of_float32_to_a_few_percent(options: dict) -> None:
    exact, ours = step('float32', **options), step('bfloat16', **options)
    assert_near(ours, exact)
    assert not torch.equal(ours, exact)


@pytest.mark.parametrize('counts', [2, 4])
def test_the_same_batch_accumulated_is_the_step_of_one(counts: int) -> None:
    # a power of two scales bfloat16 without rounding
    torch.testing.assert_close(step('bfloat16', accumulative_counts=counts), step('bfloat16'),
                               atol=1e-6, rtol=1e-5)


def test_clipping_bounds_the_step_and_keeps_its_direction() -> None:
    free = step('bfloat16')
    clipped = step('bfloat16', clip_grad=dict(max_norm=0.01))
    torch.testing.assert_close(clipped, free * (0.01 / free.norm()), atol=1e-6, rtol=1e-4)


def train_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank,
                            world_size=2)
    model = ClipwiseDistributedDataParallel(tiny_recognizer(), device_ids=[rank])
    model.module.coherence = CoherenceSettings(1.0, state='last')
    wrapper = wrapped(model, accumulative_counts=2)
    data = {key: values[rank:rank + 1] for key, values in batch(PLANS).items()}
    model.train_step(data, wrapper)
    waiting = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.train_step(data, wrapper)
    torch.save((waiting, change(model.module)), f'{folder}/rank{rank}.pth')
    del model, wrapper  # the wrapper's buckets must go before their process group
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_exchange_accumulated_gradients_once_and_take_the_step_of_one(
        tmp_path: Path) -> None:
    mp.spawn(train_rank, (str(tmp_path),), nprocs=2)
    waiting, changes = zip(*(torch.load(tmp_path / f'rank{rank}.pth') for rank in range(2)))
    assert not torch.equal(*waiting)
    assert torch.equal(*changes)
    assert_near(changes[0], step('bfloat16', accumulative_counts=2))


def test_a_run_resumed_under_it_is_the_uninterrupted_one(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, start in (('whole', None), ('resumed', tmp_path / 'whole' / 'iter_2.pth')):
        cfg = tiny_config(tmp_path, name, **{'optim_wrapper.type': 'Bfloat16OptimWrapper'})
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=1)
        train(cfg, start)
    torch.set_num_threads(threads)
    whole, resumed = (torch.load(tmp_path / name / 'iter_6.pth') for name in ('whole', 'resumed'))
    assert_equal(resumed['state_dict'], whole['state_dict'])
    assert_equal(resumed['optimizer'], whole['optimizer'])


def test_a_run_with_amp_trains_in_half_the_bits_and_writes_float32(tmp_path: Path) -> None:
    wrapper, half = (('AmpOptimWrapper', torch.float16) if torch.cuda.is_available()
                     else ('Bfloat16OptimWrapper', torch.bfloat16))
    argv = [str(DEFAULT), '--amp', '--work-dir', str(tmp_path / 'amp'), *cfg_options(tmp_path)]
    with MatrixTypes() as run:
        load(TOOLS / 'train.py').main(argv)
    assert run.backward == {half}
    assert run.forward == {half, torch.float32}  # training, and evaluation
    cfg = Config.fromfile(tmp_path / 'amp' / DEFAULT.name)
    assert cfg.optim_wrapper.type == wrapper and 'clip_grad' in cfg.optim_wrapper
    checkpoint = torch.load(tmp_path / 'amp' / 'epoch_1.pth')
    kept = [*checkpoint['state_dict'].values(),
            *(t for state in checkpoint['optimizer']['state'].values() for t in state.values())]
    assert {t.dtype for t in kept if t.is_floating_point()} == {torch.float32}
