"""SSIM against scikit-image's values and a naive twin."""
import numpy as np
import pytest
import torch

from cbm_plugin.prediction.evaluation.ssim import WINDOWS, ssim, values_at_once

from ...layers.golden import load


@pytest.fixture(scope='module')
def golden():
    return load('ssim_scikit_image')


def pair(golden, case):
    return [golden[f'{case}/{name}'].double() / 255 for name in ('prediction', 'truth')]


@pytest.mark.parametrize('case', ['grey', 'rgb'])
@pytest.mark.parametrize('kind, options', [
    ('uniform', {}), ('gaussian', dict(window='gaussian')),
    ('uniform_range2', dict(data_range=2.))])
def test_values_are_those_of_scikit_image(golden, case, kind, options):
    frames = pair(golden, case)
    expected = golden[f'{case}/{kind}']
    torch.testing.assert_close(ssim(*frames, **options), expected, atol=1e-12, rtol=0)
    single = ssim(*(values.float() for values in frames), **options)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, atol=1e-6, rtol=0)


def naive_ssim(x, y):
    """The mean of equation 13 over all windows of 7 x 7, by NumPy's own covariance."""
    values = []
    for i in range(x.shape[0] - 6):
        for j in range(x.shape[1] - 6):
            a, b = x[i:i + 7, j:j + 7].ravel(), y[i:i + 7, j:j + 7].ravel()
            (va, cov), (_, vb) = np.cov(a, b)
            ma, mb = a.mean(), b.mean()
            values.append((2 * ma * mb + 1e-4) * (2 * cov + 9e-4)
                          / ((ma ** 2 + mb ** 2 + 1e-4) * (va + vb + 9e-4)))
    return np.mean(values)


def test_frames_that_are_worked_on_in_several_parts_keep_their_order():
    size = int(np.sqrt(values_at_once(torch.device('cpu')) / 2.5))  # two frames at once
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 1, 5, 1, size, size, generator=generator).unbind(0)
    y = torch.lerp(x, y, torch.linspace(0, 1, 5).view(1, 5, 1, 1, 1))
    torch.testing.assert_close(
        ssim(x, y), torch.cat([ssim(x[:, t:t + 1], y[:, t:t + 1]) for t in range(5)], 1))
    assert (ssim(x, y).diff() < 0).all()


def test_a_small_frame_agrees_with_a_naive_twin():
    x, y = np.random.default_rng(0).random((2, 9, 12))
    ours = ssim(*(torch.from_numpy(frame)[None, None, None] for frame in (x, y)))
    assert ours.item() == pytest.approx(naive_ssim(x, y), abs=1e-12)


def test_flat_bright_frames_do_not_lose_float32_its_digits():
    generator = torch.Generator().manual_seed(0)
    x = 0.97 + 0.004 * torch.rand(1, 4, 1, 32, 32, generator=generator)
    y = x + 0.02 * torch.rand(x.shape, generator=generator)
    assert (ssim(x, y).double() - ssim(x.double(), y.double())).abs().max() < 4e-6


@pytest.mark.parametrize('window', sorted(WINDOWS))
def test_equal_frames_have_an_ssim_of_one_and_the_smallest_frame_is_the_window(window):
    size = len(WINDOWS[window].weights)
    frames = torch.rand(1, 2, 3, size, size)
    torch.testing.assert_close(ssim(frames, frames, window), torch.ones(1, 2))
    with pytest.raises(ValueError, match=f'frames of {size}x{size - 1} are smaller'):
        ssim(frames[..., 1:], frames[..., 1:], window)


def test_an_unknown_window_is_refused():
    with pytest.raises(ValueError, match="'gauss' is unknown: use one of .*gaussian"):
        ssim(torch.zeros(1, 1, 1, 8, 8), torch.zeros(1, 1, 1, 8, 8), 'gauss')
