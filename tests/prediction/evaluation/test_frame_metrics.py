"""Errors of frames, against the authors' numbers, naive twins and their own definitions."""
import numpy as np
import pytest
import torch

from cbm_plugin.prediction.evaluation import frame_metrics
from cbm_plugin.prediction.evaluation.frame_metrics import PSNR_OF_EQUAL_FRAMES

from ...layers.golden import load


@pytest.fixture(scope='module')
def frames():
    """Predictions and truth (2, 3, 3, 6, 8)."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 2, 3, 3, 6, 8, generator=generator).unbind(0)


def each_frame(function, pair):
    """A NumPy function of two frames, frame by frame."""
    return torch.tensor([[function(prediction, target) for prediction, target in zip(*sequence)]
                         for sequence in zip(*(frames.double().numpy() for frames in pair))])


@pytest.mark.parametrize('name, twin', [
    ('mse', lambda x, y: np.mean((x - y) ** 2)),
    ('mse_per_frame', lambda x, y: np.sum((x - y) ** 2)),
    ('mae', lambda x, y: np.mean(np.abs(x - y))),
    ('mae_per_frame', lambda x, y: np.sum(np.abs(x - y))),
    ('psnr', lambda x, y: 20 * np.log10(1 / np.sqrt(np.mean((x - y) ** 2)))),
    ('psnr_wrapped_uint8', lambda x, y: 20 * np.log10(255) - 10 * np.log10(np.mean(
        (np.uint8(np.float32(x) * 255) - np.uint8(np.float32(y) * 255)) ** 2)))])
def test_every_metric_is_its_definition_frame_by_frame(name, twin, frames):
    values = getattr(frame_metrics, name)(*frames)
    assert values.shape == (2, 3) and values.dtype == torch.float32
    torch.testing.assert_close(values.double(), each_frame(twin, frames), rtol=1e-5, atol=0)


def test_truncated_psnr_is_the_authors():
    golden = load('vfp_gdl_psnr')
    prediction, target = ((golden[f'psnr/{name}'].permute(0, 3, 1, 2)[None] + 1) / 2
                          for name in ('pred', 'target'))
    values = frame_metrics.psnr_truncated_uint8(prediction, target)
    torch.testing.assert_close(values[0].double(), golden['f64/psnr/value'], rtol=1e-5, atol=0)


def test_the_three_psnrs_of_one_pair_are_three_numbers():
    truth, wrong = torch.full((1, 1, 1, 4, 4), 0.75), torch.full((1, 1, 1, 4, 4), 0.25)
    wrong[..., 0, 0] = 0.7
    plain, truncated, wrapped = (getattr(frame_metrics, name)(wrong, truth).item() for name in (
        'psnr', 'psnr_truncated_uint8', 'psnr_wrapped_uint8'))
    assert plain == pytest.approx(-10 * np.log10((0.05 ** 2 + 15 * 0.5 ** 2) / 16))
    # floor of 255 times each: 191, 178 and 63
    assert truncated == pytest.approx(-10 * np.log10((13 ** 2 + 15 * 128 ** 2) / 16 / 255 ** 2))
    assert wrapped == pytest.approx(-10 * np.log10(13 ** 2 / 16 / 255 ** 2))  # 128 * 128 is 0


@pytest.mark.parametrize('name', ['psnr', 'psnr_truncated_uint8', 'psnr_wrapped_uint8'])
def test_equal_frames_have_a_finite_psnr_above_that_of_frames_one_level_apart(name):
    truth = torch.full((1, 1, 1, 128, 128), 100 / 255) + 1e-4
    near = truth.clone()
    near[..., 0, 0] += 1 / 255
    equal, differing = (getattr(frame_metrics, name)(prediction, truth)
                        for prediction in (truth, near))
    assert equal.item() == pytest.approx(PSNR_OF_EQUAL_FRAMES)
    assert differing.item() == pytest.approx(20 * np.log10(255 * 128), abs=0.01)
