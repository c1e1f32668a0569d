"""Mixed precision on the CPU: bfloat16 for the matrix work, float32 for what is learned."""
from pathlib import Path
from typing import Any, List

import pytest
import torch
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from cbm_plugin.engine import Bfloat16OptimWrapper
from cbm_plugin.overlap import ClipPlan, CoherenceSettings

from ..tiny import batch, sgd, tiny_recognizer, weights
from ..tiny_run import tiny_config, train
from .test_resume import assert_equal

PLANS = [ClipPlan(14, ((0, 6), (4, 9), (8, 14))), ClipPlan(11, ((1, 5), (3, 9), (9, 11)))]


def wrapped(model: torch.nn.Module, lr: float = 1.0, **options: Any) -> Bfloat16OptimWrapper:
    return OPTIM_WRAPPERS.build(dict(type='Bfloat16OptimWrapper', **options,
                                     optimizer=torch.optim.SGD(model.parameters(), lr=lr)))


def step(kind: str, plans: List[ClipPlan] = PLANS, **options: Any) -> Tensor:
    """The change of all weights in one step over all clips."""
    model = tiny_recognizer()
    model.coherence = CoherenceSettings(1.0, state='last')
    before = weights(model)
    wrapper = wrapped(model, **options) if kind == 'bfloat16' else sgd(model, **options)
    for _ in range(options.get('accumulative_counts', 1)):
        model.train_step(batch(plans), wrapper)
    return torch.cat([(new - old).flatten() for new, old in zip(weights(model), before)])


def test_maps_are_bfloat16_and_all_that_is_learned_float32() -> None:
    model = tiny_recognizer()
    seen = []
    model.neck.register_forward_hook(lambda module, args, output: seen.append(output[0].dtype))
    wrapper = wrapped(model)
    model.train_step(batch(PLANS), wrapper)
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_evaluation_stays_in_float32() -> None:
    model = tiny_recognizer().eval()
    with torch.no_grad():
        assert model(batch(PLANS)['inputs'][0][None], stage='head').dtype == torch.float32


@pytest.mark.parametrize('options', [
    {}, dict(accumulative_counts=2), dict(clip_grad=dict(max_norm=0.01))])
def test_a_step_over_clips_is_that_of_float32_to_a_few_percent(options: dict) -> None:
    exact, ours = step('float32', **options), step('bfloat16', **options)
    assert (ours - exact).norm() < 0.05 * exact.norm()
    assert not torch.equal(ours, exact)


def test_clipping_bounds_the_step() -> None:
    assert step('bfloat16', clip_grad=dict(max_norm=0.01)).norm() == pytest.approx(0.01, rel=1e-3)


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
