"""Polygons end at the image's border."""
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cbm_plugin.polygon.geometry.clipping import clipped
from cbm_plugin.polygon.geometry.outline import is_simple, rasterised, signed_area

HEIGHT, WIDTH = 40, 60


def star(seed: int, points: int = 12) -> np.ndarray:
    """A simple polygon that reaches beyond the image, or lies in it, or outside."""
    generator = np.random.default_rng(seed)
    angles = np.sort(generator.uniform(0, 2 * np.pi, points)) + np.arange(points) * 1e-6
    radii = generator.uniform(8, 30, points)
    centre = generator.uniform((-20, -20), (WIDTH + 20, HEIGHT + 20))
    return centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10 ** 6))
def test_what_is_left_is_the_largest_piece_of_the_polygon_in_the_image(seed: int) -> None:
    polygon = star(seed)
    assume(is_simple(polygon))
    found = clipped(polygon, HEIGHT, WIDTH)
    mask = rasterised([polygon], HEIGHT, WIDTH)
    if len(found) == 0:
        assert mask.sum() <= 1
        return
    assert found.min() >= 0 and (found <= (WIDTH, HEIGHT)).all()
    assert is_simple(found)
    ours = rasterised([found], HEIGHT, WIDTH)
    assert ((ours == 1) & (mask == 0)).sum() <= 2
    if signed_area(polygon) and mask.sum() > 20:
        assert ours.sum() > 0.3 * mask.sum()


def test_a_convex_polygon_is_cut_exactly() -> None:
    square = np.array([[-10, -5], [20, -5], [20, 30], [-10, 30]], np.float64)
    found = clipped(square, HEIGHT, WIDTH)
    assert {tuple(point) for point in found.tolist()} == {(0, 0), (20, 0), (20, 30), (0, 30)}


def test_of_a_comb_cut_by_the_border_the_widest_tooth_is_left() -> None:
    comb = np.array([[10, 10], [10, -9], [50, -9], [50, 20], [30, 20], [30, -3], [15, -3],
                     [15, 10]], np.float64)
    found = clipped(comb, HEIGHT, WIDTH)
    assert is_simple(found)
    assert [*found.min(axis=0), *found.max(axis=0)] == pytest.approx([30, 0, 50, 20], abs=0.2)


def test_what_lies_inside_is_untouched_and_what_lies_outside_is_gone() -> None:
    inside = np.array([[0, 0], [60, 3], [7, 40]], np.float32)
    assert np.array_equal(clipped(inside, HEIGHT, WIDTH), inside)
    assert clipped(inside + 100, HEIGHT, WIDTH).shape == (0, 2)
    assert clipped(inside - (60, 0), HEIGHT, WIDTH).shape == (0, 2)
