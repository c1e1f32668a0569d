"""Two processes train both networks as one does."""
import gc
from datetime import timedelta
from pathlib import Path
from typing import Iterator, List

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.runner.checkpoint import load_state_dict

from cbm_plugin.overlap import ClipwiseDistributedDataParallel
from cbm_plugin.prediction.training.wrapper import NetworksDistributedDataParallel

from .tiny_adversarial import optim_wrappers, tiny_batch, tiny_predictor, weights

STEPS, ACCUMULATED = 4, 2


def batches(rows: slice) -> List[dict]:
    whole = [tiny_batch(seed, size=4) for seed in range(STEPS)]
    return [{key: values[rows] for key, values in data.items()} for data in whole]


def predictor(seed: int = 0) -> torch.nn.Module:
    """Without batch norm, whose statistics are those of a process."""
    return tiny_predictor(seed, widths=(4,), adversarial_weight=0.5)


def train(model: torch.nn.Module, rows: slice) -> None:
    wrappers = optim_wrappers(model, lr=0.1, accumulative_counts=ACCUMULATED)
    for data in batches(rows):
        model.train_step(data, wrappers)


def train_rank(rank: int, folder: str) -> None:
    dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank,
                            world_size=2, timeout=timedelta(minutes=3))
    # ranks start apart; the wrapper gives them rank 0's weights; the runner passes device_ids
    model = NetworksDistributedDataParallel(predictor(rank), device_ids=[rank])
    train(model, slice(2 * rank, 2 * rank + 2))
    seen = [sample.pred_frames for sample in model.val_step(tiny_batch())]
    torch.save(dict(weights=weights(model.module), seen=seen), f'{folder}/rank{rank}.pth')
    del model
    gc.collect()  # the wrapper's buckets must go before their process group
    dist.barrier()
    dist.destroy_process_group()


def train_second_rank(_: int, folder: str) -> None:
    torch.set_num_threads(1)
    train_rank(1, folder)


def test_two_processes_take_the_steps_of_one_and_save_what_one_loads(tmp_path: Path) -> None:
    other = mp.spawn(train_second_rank, (str(tmp_path),), nprocs=1, join=False)
    train_rank(0, str(tmp_path))
    other.join()
    first, second = (torch.load(tmp_path / f'rank{rank}.pth') for rank in range(2))
    alone = predictor()
    train(alone, slice(None))
    assert first['weights'].keys() == alone.state_dict().keys()
    for name, value in weights(alone).items():
        assert torch.equal(first['weights'][name], second['weights'][name])
        torch.testing.assert_close(first['weights'][name], value, atol=1e-5, rtol=1e-4)
    seen = [sample.pred_frames for sample in alone.val_step(tiny_batch())]
    torch.testing.assert_close(first['seen'], seen, atol=1e-4, rtol=1e-3)


@pytest.fixture
def group_of_one(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/rendezvous', rank=0,
                            world_size=1)
    yield
    gc.collect()  # the wrappers
    dist.destroy_process_group()


def test_weights_saved_by_one_process_load_into_the_networks_of_several(group_of_one: None
                                                                        ) -> None:
    saved, model = predictor(1).state_dict(), NetworksDistributedDataParallel(predictor(0))
    load_state_dict(model.module, saved, strict=True)
    loaded = model.module.state_dict()
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(loaded[name], value) for name, value in saved.items())


def test_a_wrapper_around_the_whole_model_is_refused_with_the_one_to_set(group_of_one: None
                                                                         ) -> None:
    model = ClipwiseDistributedDataParallel(predictor())
    with pytest.raises(ValueError, match="ClipwiseDistributedDataParallel wraps the whole .* "
                                         "dict.type='NetworksDistributedDataParallel'"):
        model.train_step(tiny_batch(), optim_wrappers(model.module))
