"""Intermediate results lie in memory that is used again: values do not depend on what lay there."""
from concurrent.futures import ThreadPoolExecutor
from typing import List, Tuple

import torch

from cbm_plugin.prediction.evaluation.frame_metrics import mae, mse, psnr
from cbm_plugin.prediction.evaluation.scratch import scratch
from cbm_plugin.prediction.evaluation.ssim import ssim

METRICS = (ssim, mse, psnr, mae)


def pairs() -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """Frames of several sizes, the largest in the middle."""
    generator = torch.Generator().manual_seed(0)
    return [tuple(torch.rand(2, 3, 1, size, size, generator=generator) for _ in range(2))
            for size in (16, 48, 8, 32)]


def values(pair: Tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return torch.stack([metric(*pair) for metric in METRICS])


def test_values_are_the_same_in_any_order_and_in_threads_at_once() -> None:
    first = [values(pair) for pair in pairs()]
    backwards = [values(pair) for pair in reversed(pairs())][::-1]
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(values, pairs() * 8))
    for expected, again in zip(first * 9, backwards + at_once):
        assert torch.equal(expected, again)


def test_a_smaller_piece_is_part_of_the_larger_one_before() -> None:
    cpu = torch.device('cpu')
    large, small = (scratch(number, torch.float32, cpu) for number in (1000, 10))
    assert small.data_ptr() == large.data_ptr() and len(small) == 10


def test_a_metric_takes_frames_that_carry_gradients() -> None:
    predicted, truth = pairs()[0]
    expected = values((predicted, truth))
    assert torch.equal(values((predicted.requires_grad_(), truth)), expected)
