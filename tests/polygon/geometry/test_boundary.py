"""The boundary F-measure against a naive twin, and where its answer is plain."""
import math

import numpy as np
import pytest

from cbm_plugin.polygon.geometry.boundary import boundary, boundary_scores, pixel_tolerance


def naive_boundary(mask: np.ndarray) -> list:
    """Pixel by pixel, in words: inside, and a neighbour inside the array is outside the mask."""
    height, width = mask.shape
    return [(y, x) for y in range(height) for x in range(width) if mask[y, x] and any(
        0 <= y + dy < height and 0 <= x + dx < width and not mask[y + dy, x + dx]
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)))]


def naive_scores(predicted: np.ndarray, truth: np.ndarray, tolerance: float) -> tuple:
    """Every pixel against every other."""
    ours, theirs = naive_boundary(predicted), naive_boundary(truth)
    if not ours or not theirs:
        return (float(bool(ours) == bool(theirs)),) * 3

    def share(these: list, those: list) -> float:
        return sum(any(math.dist(p, q) <= tolerance for q in those) for p in these) / len(these)

    precision, recall = share(ours, theirs), share(theirs, ours)
    total = precision + recall
    return (2 * precision * recall / total if total else 0., precision, recall)


def blobs(rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros((int(rng.integers(5, 24)), int(rng.integers(5, 24))), np.uint8)
    for _ in range(int(rng.integers(0, 4))):
        y, x = rng.integers(0, mask.shape)
        mask[y:y + rng.integers(1, 12), x:x + rng.integers(1, 12)] = 1
    return mask


@pytest.mark.parametrize('tolerance', [1., 2., math.sqrt(5), 3.5])
def test_scores_equal_the_naive_twin(tolerance):
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(40):
        predicted = blobs(rng)
        truth = predicted if rng.random() < 0.1 else np.roll(
            predicted, rng.integers(-4, 5, 2), (0, 1)) ^ (rng.random(predicted.shape) < 0.02)
        truth = truth.astype(np.uint8)
        scores = boundary_scores(predicted, truth, tolerance)
        assert scores == pytest.approx(naive_scores(predicted, truth, tolerance))
        seen.add(0. if scores[0] == 0 else 1. if scores[0] == 1 else 0.5)
    assert seen == {0., 0.5, 1.}


def test_the_edge_of_the_image_is_no_boundary():
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 1
    assert set(zip(*np.nonzero(boundary(mask)))) == {(3, x) for x in range(8)}
    assert not boundary(np.ones((8, 8), np.uint8)).any()


def test_a_square_moved_by_the_tolerance_is_right_and_by_one_more_it_is_not():
    truth = np.zeros((40, 40), np.uint8)
    truth[10:20, 10:20] = 1
    assert boundary_scores(np.roll(truth, 2, 1), truth, 2.) == (1., 1., 1.)
    assert boundary_scores(np.roll(truth, 3, 1), truth, 2.)[0] < 1
    assert boundary_scores(np.roll(truth, 20, 1), truth, 2.) == (0., 0., 0.)


def test_a_tolerance_below_one_is_a_share_of_the_diagonal_rounded_up():
    assert pixel_tolerance(2., 480, 854) == 2
    assert pixel_tolerance(0.008, 480, 854) == 8  # 0.008 * 979.6 = 7.84, as on DAVIS
