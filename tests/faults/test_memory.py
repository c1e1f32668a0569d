"""The memory held by a training and by a stream does not grow, and growth would be found."""
from pathlib import Path
from typing import List

import numpy as np
import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..tiny_run import tiny_config
from .memory import counted_stream, counted_training, judge, run, watch_training
from .resident import Held, growth


class KeepLosses(Hook):
    """The classical leak: the log keeps a tensor of every iteration."""

    def __init__(self) -> None:
        self.losses: List[object] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None,
                         outputs: object = None) -> None:
        self.losses.append(next(iter(outputs.values())))


def held(growing: float, seed: int = 0) -> List[Held]:
    """800 MiB at 150 steps up to 3,000, with peaks of some MiB, growing by so many bytes a step."""
    rng = np.random.default_rng(seed)
    peaks = rng.exponential(4 * 2**20, 150)
    return [Held(step, int(800 * 2**20 + peak + growing * step))
            for step, peak in zip(range(20, 3001, 20), peaks)]


def test_a_training_and_a_stream_keep_neither_tensors_nor_objects(tmp_path: Path) -> None:
    outcomes = run(tmp_path, 30, seed=0, frames=300)
    assert [outcome.tried for outcome in outcomes] == [30, 300]
    assert all(outcome.good for outcome in outcomes), outcomes


def test_a_tensor_kept_at_every_iteration_is_found(tmp_path: Path) -> None:
    outcome = counted_training(tmp_path, 15, seed=0, hook=KeepLosses())
    assert not outcome.good and '10 tensors more' in outcome.remark


def test_scores_kept_of_every_frame_are_found(tmp_path: Path) -> None:
    kept: List[object] = []
    outcome = counted_stream(tmp_path, 60, seed=0, keep=kept.append)
    assert not outcome.good


def test_peaks_are_no_growth() -> None:
    outcome = judge('peaks', 3000, held(growing=0), bound=1024, step='step')
    assert outcome.good and outcome.tried == 3000


@pytest.mark.parametrize('growing', [2 * 1024, 16 * 1024])
def test_growth_that_peaks_hide_from_the_eye_is_found(growing: float) -> None:
    found = growth(held(growing))
    assert found.low < growing < found.high and found.low > 0
    assert not judge('a leak', 3000, held(growing), bound=1024, step='step').good


def test_a_run_that_ended_early_is_not_flat() -> None:
    assert not judge('a run', 3020, held(growing=0), bound=1024, step='step').good


def test_too_few_samples_are_no_proof() -> None:
    with pytest.raises(ValueError, match='watch more steps'):
        growth(held(growing=0)[:40])


def test_the_memory_of_the_real_training_tool_and_its_workers_is_read(tmp_path: Path) -> None:
    cfg = tiny_config(tmp_path, **{
        'train_dataloader.num_workers': 1, 'train_cfg.max_epochs': 1, 'test_after_train': False})
    samples = watch_training(cfg, 3, every=1)
    assert [sample.step for sample in samples] == [1, 2, 3]
    assert all(50 * 2**20 < sample.held < 8 * 2**30 for sample in samples)
