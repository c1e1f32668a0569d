"""Losses between frames are the published ones, value and gradient."""
from typing import Tuple

import pytest
import torch
from torch import Tensor

from cbm_plugin.prediction.training.losses import (
    FrameL1Loss,
    FrameMSELoss,
    GradientDifferenceLoss,
)

from ...layers.golden import load, relative_error

ROUNDING = 1e-5  # ten times the authors' own in float32


def golden_pair(case: str, dtype: torch.dtype = torch.float32) -> Tuple[Tensor, Tensor]:
    """The authors' (N, H, W, C) frames in [0, 1], as one-frame sequences (N, 1, C, H, W)."""
    vectors = load('vfp_gdl_psnr')
    generated, true = (vectors[f'{case}/{name}'].permute(0, 3, 1, 2)[:, None].to(dtype)
                       for name in ('gen', 'gt'))
    return generated.requires_grad_(), true


@pytest.mark.parametrize('case', ['rgb', 'border'])
@pytest.mark.parametrize('alpha', [1, 2])
def test_gradient_difference_loss_and_its_gradient_are_the_authors(case: str, alpha: int) -> None:
    vectors = load('vfp_gdl_psnr')
    # In float64: where slopes agree to the last bit of float32, rounding chooses the sign.
    generated, true = golden_pair(case, torch.float64)
    loss = GradientDifferenceLoss(alpha=alpha)(generated, true)
    gradient, = torch.autograd.grad(loss, generated)
    assert loss.item() == pytest.approx(vectors[f'f64/{case}/gdl_alpha{alpha}'].item(), rel=1e-12)
    theirs = vectors[f'{case}/grad_alpha{alpha}']
    assert relative_error(gradient[:, 0].permute(0, 2, 3, 1), theirs) < ROUNDING


def test_four_times_squared_error_plus_gradient_difference_is_the_published_image_loss() -> None:
    vectors = load('vfp_gdl_psnr')
    # (N, H, W, T, C) in [-1, 1]
    symmetric = vectors['gray/G'].requires_grad_()
    generated, true = ((frames.permute(0, 3, 4, 1, 2) + 1) / 2
                       for frames in (symmetric, vectors['gray/target']))
    squared, slopes = FrameMSELoss(weight=4)(generated, true), GradientDifferenceLoss()(generated,
                                                                                        true)
    gradient, = torch.autograd.grad(squared + slopes, symmetric)
    assert squared.item() == pytest.approx(vectors['f64/gray/L_p'].item(), rel=1e-6)
    assert slopes.item() == pytest.approx(vectors['f64/gray/L_gdl'].item(), rel=1e-6)
    assert relative_error(gradient, vectors['gray/grad_L_img']) < ROUNDING


def test_absolute_error_is_its_mean_over_all_elements_times_the_weight() -> None:
    generated, true = golden_pair('rgb')
    by_hand = sum(abs(a - b) for a, b in zip(generated.flatten().tolist(),
                                             true.flatten().tolist())) / true.numel()
    assert FrameL1Loss(weight=3)(generated, true).item() == pytest.approx(3 * by_hand, rel=1e-5)


@pytest.mark.parametrize('loss', [FrameMSELoss(), FrameL1Loss(), GradientDifferenceLoss()])
def test_a_bfloat16_prediction_is_compared_in_the_precision_of_the_truth(loss: FrameMSELoss
                                                                         ) -> None:
    generated, true = golden_pair('rgb')
    rounded = generated.detach().bfloat16()
    value = loss(rounded, true)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(rounded.float(), true))


@pytest.mark.parametrize('loss', [FrameMSELoss(), FrameL1Loss(), GradientDifferenceLoss()])
def test_frames_that_would_be_broadcast_are_refused(loss: FrameMSELoss) -> None:
    with pytest.raises(ValueError, match=r'\(2, 1, 1, 4, 4\), the true ones \(2, 3, 1, 4, 4\)'):
        loss(torch.zeros(2, 1, 1, 4, 4), torch.zeros(2, 3, 1, 4, 4))


def test_a_negative_weight_and_an_exponent_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match='weight must be at least 0, got -1'):
        FrameMSELoss(weight=-1)
    with pytest.raises(ValueError, match='alpha must be at least 1, got 0.5'):
        GradientDifferenceLoss(alpha=0.5)
