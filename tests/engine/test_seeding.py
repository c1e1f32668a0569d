"""Draws are functions of seed, epoch and index; workers and history change nothing."""
import pickle
from pathlib import Path
from typing import List

import pytest
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from cbm_plugin.engine import SampleIndex, SeededSampler, derive_seed

from ..tiny_run import tiny_config


def drawn_plans(folder: Path, workers: int, seed: int, epochs: int = 2) -> List[dict]:
    """Per epoch: the clip plan of each video."""
    init_default_scope('mmaction')
    cfg = tiny_config(folder)
    cfg.train_dataloader.num_workers = workers
    cfg.train_dataloader.persistent_workers = workers > 0
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=seed)
    drawn = []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        drawn.append({str(sample.gt_label) + str(frames.sum().item()) + str(frames.shape[0]):
                      sample.clip_plan for batch in loader
                      for frames, sample in zip(batch['inputs'], batch['data_samples'])})
    return drawn


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('seeding')


def test_clips_differ_from_epoch_to_epoch(folder: Path) -> None:
    first, second = drawn_plans(folder, 0, seed=3)
    assert sorted(map(repr, first.values())) != sorted(map(repr, second.values()))


def test_clips_repeat_with_the_seed_and_change_with_another(folder: Path) -> None:
    assert drawn_plans(folder, 0, seed=3) == drawn_plans(folder, 0, seed=3)
    assert drawn_plans(folder, 0, seed=3) != drawn_plans(folder, 0, seed=4)


def test_clips_are_the_same_with_no_workers_and_with_two(folder: Path) -> None:
    assert drawn_plans(folder, 0, seed=3) == drawn_plans(folder, 2, seed=3)


def test_an_index_keeps_seed_and_epoch_on_its_way_to_a_worker() -> None:
    index = pickle.loads(pickle.dumps(SampleIndex(7, seed=5, epoch=2)))
    assert (index, index.seed, index.epoch) == (7, 5, 2)


def test_a_sampler_told_to_skip_goes_on_where_it_would_have_been() -> None:
    data = list(range(10))
    whole, skipping = (SeededSampler(data, seed=1) for _ in range(2))
    expected = list(whole)
    skipping.skip(4)
    assert list(skipping) == expected[4:]
    assert list(skipping) == expected  # once only


def test_seeds_of_different_things_differ() -> None:
    seeds = {derive_seed('sample', s, e, i) for s in range(5) for e in range(5) for i in range(20)}
    assert len(seeds) == 500
    assert derive_seed('sample', 1, 2, 3) != derive_seed('iteration', 1, 2, 3)
