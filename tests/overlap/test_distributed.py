"""Two processes give the gradient of one."""
from pathlib import Path
from typing import List

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from cbm_plugin.overlap import ClipPlan, ClipwiseDistributedDataParallel, CoherenceSettings

from ..tiny import batch, sgd, tiny_recognizer, weights

PLANS = [ClipPlan(14, ((0, 6), (4, 9), (8, 14))), ClipPlan(11, ((1, 5), (3, 9), (9, 11))),
         ClipPlan(12, ((0, 8), (2, 4), (6, 12))), ClipPlan(12, ((0, 3), (3, 6), (5, 8)))]
SETTINGS = CoherenceSettings(3.0, state='last')


def part(rank: int, size: int) -> dict:
    data = batch(PLANS)
    return {key: values[rank * size:(rank + 1) * size] for key, values in data.items()}


def train_rank(rank: int, folder: str, accumulative_counts: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank,
                            world_size=2)
    model = ClipwiseDistributedDataParallel(tiny_recognizer(), device_ids=[rank])
    model.module.coherence = SETTINGS
    wrapper = sgd(model, accumulative_counts=accumulative_counts)
    for _ in range(accumulative_counts):
        model.train_step(part(rank, 2), wrapper)
    torch.save(weights(model.module), f'{folder}/rank{rank}.pth')
    del model, wrapper  # the wrapper's buckets must go before their process group
    dist.barrier()
    dist.destroy_process_group()


def train_alone(accumulative_counts: int) -> List[torch.Tensor]:
    model = tiny_recognizer()
    model.coherence = SETTINGS
    wrapper = sgd(model, accumulative_counts=accumulative_counts)
    for _ in range(accumulative_counts):
        model.train_step(batch(PLANS), wrapper)
    return weights(model)


@pytest.mark.parametrize('accumulative_counts', [1, 2])
def test_two_processes_take_the_step_of_one(tmp_path: Path, accumulative_counts: int) -> None:
    mp.spawn(train_rank, (str(tmp_path), accumulative_counts), nprocs=2)
    ranks = [torch.load(tmp_path / f'rank{rank}.pth') for rank in range(2)]
    start = weights(tiny_recognizer())
    for first, second, alone, old in zip(*ranks, train_alone(accumulative_counts), start):
        assert torch.equal(first, second)
        torch.testing.assert_close(first - old, alone - old, atol=1e-6, rtol=1e-4)
