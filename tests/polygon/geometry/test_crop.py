"""Crops, and where points of the image are in them."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbm_plugin.polygon.geometry.crop import cut, grown_box, to_image, to_unit
from cbm_plugin.polygon.geometry.outline import polygon_iou, rasterised

from ..shapes import star

NOISE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


def test_a_crop_grows_by_the_share_of_each_axis_half_on_each_side() -> None:
    assert grown_box((100, 50, 300, 90)) == pytest.approx((90, 48, 310, 92))
    assert grown_box((1, 2, 3, 4), grow=0) == (1, 2, 3, 4)


def test_a_crop_of_the_size_of_the_square_is_the_image_itself() -> None:
    np.testing.assert_array_equal(cut(NOISE, (20, 10, 60, 50), 40), NOISE[10:50, 20:60])


def test_a_crop_is_stretched_along_each_axis_by_itself() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[20:, :40] = 255
    square = cut(image, (0, 0, 80, 40), 20)
    assert (square[11:, :9] == 255).all() and not square[:9].any() and not square[:, 11:].any()


def test_a_smaller_square_has_the_means_of_its_pixels() -> None:
    expected = NOISE[10:50, 20:80].reshape(10, 4, 10, 6, 3).mean((1, 3))
    np.testing.assert_allclose(cut(NOISE, (20, 10, 80, 50), 10), expected, atol=1)


def test_outside_the_image_the_crop_is_black() -> None:
    square = cut(NOISE, (-20, -10, 40, 50), 60)
    assert not square[:10].any() and not square[:, :20].any()
    np.testing.assert_array_equal(square[10:, 20:], NOISE[:50, :40])
    assert not cut(NOISE, (200, 200, 210, 210), 8).any()


def test_a_crop_at_a_fraction_of_a_pixel_lies_between_its_neighbours() -> None:
    expected = (NOISE[10:20, 20:30].astype(float) + NOISE[10:20, 21:31]) / 2
    np.testing.assert_allclose(cut(NOISE, (20.5, 10, 30.5, 20), 10), expected, atol=1)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(-30, 60), st.floats(-30, 60), st.floats(60, 200), st.floats(60, 200))
def test_an_outline_lies_on_its_object_in_the_crop(x: float, y: float, w: float, h: float) -> None:
    polygon = star(1, 30)
    image = np.repeat(rasterised([polygon], 100, 100)[:, :, None] * 255, 3, axis=2)
    crop = (x, y, x + w, y + h)
    seen = cut(image, crop, 112)[:, :, 0] > 127
    drawn = rasterised([to_unit(polygon, crop) * 112], 112, 112)
    assert (seen != drawn).mean() < 0.03  # along the border, where pixels are enlarged


def test_there_and_back_is_the_same_place() -> None:
    polygon, crop = star(2, 20), grown_box((3.5, -8, 44, 71.25))
    np.testing.assert_allclose(to_image(to_unit(polygon, crop), crop), polygon, atol=1e-10)
    assert polygon_iou([to_image(to_unit(polygon, crop), crop)], [polygon]) == 1


def test_a_very_wide_image_is_cut_where_the_crop_is() -> None:
    image = np.zeros((20, 70_000, 3), np.uint8)
    image[:, 60_000:] = 7
    assert (cut(image, (60_000, 0, 60_020, 20), 20) == 7).all()
    assert (cut(image, (38_000, 0, 70_000, 20), 20)[:, 14:] == 7).all()


def test_a_crop_that_shows_too_wide_a_part_of_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match='shows 40001 x 20 pixels.*scale the image down'):
        cut(np.zeros((20, 70_000, 3), np.uint8), (0, 0, 40_000, 20), 20)


def test_a_box_far_larger_than_the_image_needs_no_memory_for_it() -> None:
    square = cut(np.full((20, 20, 3), 255, np.uint8), (-1e7, -1e7, 1e7, 1e7), 20)
    assert square.shape == (20, 20, 3) and square.max() < 128


@pytest.mark.parametrize('box', [(5, 5, 5, 9), (5, 5, 9, 4), (0, 0, np.inf, 4), (0, 0, np.nan, 4)])
def test_a_box_of_no_area_is_refused(box: tuple) -> None:
    for action in (grown_box, lambda box: cut(NOISE, box, 8), lambda box: to_unit([[0, 0]], box)):
        with pytest.raises(ValueError, match='has no area'):
            action(box)


def test_a_crop_inside_its_box_is_refused() -> None:
    with pytest.raises(ValueError, match='grow is -0.1'):
        grown_box((0, 0, 4, 4), grow=-0.1)
