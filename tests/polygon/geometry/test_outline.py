"""Geometry of outlines, against naive twins and closed formulas."""
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from cbm_plugin.polygon.geometry.outline import (
    canonical,
    is_simple,
    polygon_iou,
    polygon_ious,
    rasterised,
    repaired,
    signed_area,
    simplified,
    untangled,
    without_repeats,
)

from ..shapes import BOW_TIE, PENTAGRAM, SCRIBBLES, SQUARE, STARS, naive_is_simple, naive_mask, star

QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def test_area_is_positive_clockwise_on_the_screen() -> None:
    assert signed_area(SQUARE) == 16 and signed_area(SQUARE[::-1]) == -16
    assert signed_area(BOW_TIE) == 0 and signed_area(np.zeros((0, 2))) == 0


@QUICK
@given(SCRIBBLES)
def test_simple_is_what_a_pair_by_pair_check_calls_simple(polygon: np.ndarray) -> None:
    assert is_simple(polygon) == naive_is_simple(polygon)


@pytest.mark.parametrize(('polygon', 'simple'), [
    (SQUARE, True), (BOW_TIE, False), (PENTAGRAM, False), (SQUARE[:2], False),
    ([[0, 0], [2, 0], [4, 0]], False),  # flat
    ([[0, 0], [2, 0], [4, 0], [2, 3]], True),  # a vertex on a straight side
    ([[0, 0], [4, 0], [6, 0], [4, 0], [4, 4], [0, 4]], False),  # a spike
    ([[0, 0], [4, 0], [4, 4], [2, 0], [0, 4]], False),  # a vertex touches a side
    ([[0, 0], [0, 0], [4, 0], [4, 4], [0, 0]], True),  # equal neighbours
])
def test_crossings_touches_spikes_and_flat_outlines_are_not_simple(polygon, simple) -> None:
    assert is_simple(np.array(polygon, float)) is simple


def test_a_crossing_is_found_among_hundreds_of_vertices() -> None:
    outline = star(0, 600)
    assert is_simple(outline)
    outline[[400, 403]] = outline[[403, 400]]
    assert not is_simple(outline)


@QUICK
@given(STARS, st.integers(0, 79), st.booleans())
def test_one_outline_has_one_canonical_writing(polygon: np.ndarray, turn: int, back: bool) -> None:
    other = np.roll(polygon[::-1] if back else polygon, turn, axis=0)
    other = np.repeat(other, 2, axis=0)
    written = canonical(other)
    np.testing.assert_array_equal(written, canonical(polygon))
    assert signed_area(written) > 0 and (written[0, 1] <= written[:, 1]).all()


def test_canonical_starts_leftmost_among_the_topmost() -> None:
    polygon = np.array([[5, 9], [7, 2], [3, 2], [5, 4.]])
    assert canonical(polygon).tolist() == [[3, 2], [7, 2], [5, 9], [5, 4]]


def test_simplification_leaves_out_the_least_triangle_first() -> None:
    polygon = np.array([[0, 0], [5, -1], [10, 0], [12, 5], [10, 10], [0, 10.]])  # areas 5 and 10
    assert simplified(polygon, 5).tolist() == polygon[[0, 2, 3, 4, 5]].tolist()
    assert simplified(polygon, 4).tolist() == polygon[[0, 2, 4, 5]].tolist()
    assert simplified(polygon, 60, tolerance=5).tolist() == polygon[[0, 2, 3, 4, 5]].tolist()
    assert simplified(polygon, 60, tolerance=4.9).tolist() == polygon.tolist()


def test_simplification_without_tolerance_leaves_out_what_lies_on_a_line() -> None:
    dense = np.concatenate([np.linspace(start, end, 5)[:-1]
                            for start, end in zip(SQUARE, np.roll(SQUARE, -1, axis=0))])
    assert simplified(dense, 60).tolist() == SQUARE.tolist()


def test_simplification_never_pulls_a_side_across_a_vertex() -> None:
    # leaving out the shallow vertex (5, -1) first would pull the side over the tip (5, -.5)
    polygon = np.array([[0, 0], [5, -1], [10, 0], [10, 10], [5.5, 10], [5, -.5], [4.5, 10],
                        [0, 10.]])
    assert [5, -1] in simplified(polygon, 7).tolist()


@QUICK
@given(STARS, st.integers(3, 20))
def test_a_simplified_outline_is_short_and_stays_simple(polygon: np.ndarray, most: int) -> None:
    short = simplified(polygon, most)
    assert len(short) == min(most, len(polygon)) and is_simple(short)


def test_simplification_to_less_than_a_triangle_is_refused() -> None:
    with pytest.raises(ValueError, match='max_vertices is 2'):
        simplified(SQUARE, 2)


@QUICK
@given(SCRIBBLES)
def test_untangling_leaves_vertices_out_and_nothing_crossing(polygon: np.ndarray) -> None:
    outline = untangled(polygon)
    assert len(outline) < 3 or is_simple(outline) and signed_area(outline) != 0
    assert {tuple(point) for point in outline} <= {tuple(point) for point in polygon}


@QUICK
@given(SCRIBBLES, st.sampled_from([1e-3, 1., 100.]))
def test_every_outline_with_an_area_is_repaired(polygon: np.ndarray, unit: float) -> None:
    hull = cv2.convexHull(polygon.astype(np.float32))[:, 0]
    if len(hull) < 3 or signed_area(hull) == 0:
        with pytest.raises(ValueError, match='encloses no area'):
            repaired(polygon * unit)
    else:
        outline = repaired(polygon * unit)
        assert is_simple(outline) and signed_area(outline) != 0
        assert (outline >= polygon.min(0) * unit).all()
        assert (outline <= polygon.max(0) * unit).all()


@QUICK
@given(STARS)
def test_a_simple_outline_needs_no_repair(polygon: np.ndarray) -> None:
    np.testing.assert_array_equal(repaired(polygon), polygon)


def test_a_spike_is_left_out_and_nothing_else_moves() -> None:
    spiked = np.insert(SQUARE, 2, [[9, 9.], [4, 4]], axis=0)[[0, 1, 4, 2, 4, 5]]
    assert is_simple(repaired(spiked)) and polygon_iou([repaired(spiked)], [SQUARE]) == 1


def test_a_self_crossing_star_keeps_its_whole_area() -> None:
    # 10 corners in turn, in and out: the outer border of the pentagram
    inner = 80 / ((1 + 5 ** 0.5) / 2) ** 2
    border = np.array([[100 + (80, inner)[k % 2] * np.sin(k * np.pi / 5),
                        100 - (80, inner)[k % 2] * np.cos(k * np.pi / 5)] for k in range(10)])
    assert polygon_iou([repaired(PENTAGRAM)], [border]) > 0.98


def test_of_a_figure_of_eight_the_larger_lobe_is_kept() -> None:
    eight = np.array([[0, 0], [300, 200], [300, 0], [0, 80.]])
    tip = [300 * 80 / 280, 200 * 80 / 280]  # where the two lines cross
    assert polygon_iou([repaired(eight)], [np.array([tip, [300, 0], [300, 200]])]) > 0.98


def test_an_outline_thinner_than_any_cell_becomes_its_hull() -> None:
    line = np.linspace(0, 1000, 7)
    thin = np.stack([line, line + [0, .1, -.1, .1, -.1, .1, 0]], axis=1)[[0, 2, 1, 4, 3, 5, 6, 2]]
    assert not is_simple(thin) and is_simple(repaired(thin))


@QUICK
@given(st.lists(SCRIBBLES, max_size=3), st.floats(-3, 3), st.floats(-3, 3))
def test_a_mask_covers_the_pixels_whose_centre_lies_inside(parts, dx: float, dy: float) -> None:
    parts = [part + [dx, dy] for part in parts]
    np.testing.assert_array_equal(rasterised(parts, 11, 9), naive_mask(parts, 11, 9))


def test_polygons_that_share_a_side_share_no_pixel_and_leave_no_gap() -> None:
    left = star(1, 30, centre=30, radius=25)
    frame = np.array([[0., 0], [60, 0], [60, 60], [0, 60]])
    top, low = left[:, 1].argmin(), left[:, 1].argmax()
    bridge = [*(left[(top + k) % 30] for k in range((low - top) % 30 + 1))]
    right = np.array([[left[top, 0], 0], frame[1], frame[2], [left[low, 0], 60], *bridge[::-1]])
    left = np.array([[left[top, 0], 0], *bridge, [left[low, 0], 60], frame[3], frame[0]])
    assert (rasterised([left], 60, 60) + rasterised([right], 60, 60) == 1).all()


def test_the_mask_of_a_large_outline_has_its_area() -> None:
    polygon = star(3, 40, centre=400, radius=390)
    area = rasterised([polygon], 800, 800).sum()
    assert area == pytest.approx(abs(signed_area(polygon)), rel=2e-3)


def test_iou_of_rectangles_is_the_formula() -> None:
    first, second = SQUARE * 10, SQUARE * 10 + [10, 20]
    assert polygon_iou([first], [second]) == pytest.approx(600 / 2600)
    assert polygon_iou([first], [first]) == 1
    assert polygon_iou([first], [first + 40]) == 0
    assert polygon_iou([first], []) == polygon_iou([SQUARE / 100], [SQUARE / 100]) == 0


def test_iou_of_several_parts_counts_common_ground_once() -> None:
    parts = [SQUARE, SQUARE + [2, 0], SQUARE + [100, 50]]
    whole = [np.array([[0, 0], [6, 0], [6, 4], [0, 4.]]), SQUARE + [100, 50]]
    assert polygon_iou(parts, whole) == 1


@QUICK
@given(st.lists(SCRIBBLES, min_size=1, max_size=3), st.lists(SCRIBBLES, min_size=1, max_size=3),
       st.floats(-3, 3), st.floats(-3, 3))
def test_iou_of_any_outlines_is_that_of_their_pixels(first, second, dx: float, dy: float) -> None:
    second = [part + [dx, dy] for part in second]
    masks = [naive_mask([part + 3 for part in parts], 20, 20) for parts in (first, second)]
    union = (masks[0] | masks[1]).sum()
    assert polygon_iou(first, second) == ((masks[0] & masks[1]).sum() / union if union else 0)


@QUICK
@given(STARS, STARS, st.integers(-70, 70), st.integers(-70, 70))
def test_iou_is_that_of_masks_of_the_whole_image(first, second, dx: int, dy: int) -> None:
    second = second + [dx, dy]
    masks = [rasterised([polygon + 80], 300, 300) for polygon in (first, second)]
    expected = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    assert polygon_iou([first], [second]) == expected
    assert polygon_ious([([first], [second])] * 2).tolist() == [expected] * 2


def test_iou_agrees_with_coco_masks() -> None:
    for seed in range(20):
        first, second = star(seed, 20, 250, 240), star(seed + 100, 20, 260, 240)
        runs = [coco.frPyObjects([polygon.ravel().tolist()], 520, 520)
                for polygon in (first, second)]
        assert polygon_iou([first], [second]) == pytest.approx(
            coco.iou(runs[0], runs[1], [0])[0, 0], abs=0.01)


def test_wild_coordinates_are_refused() -> None:
    for action in (lambda: rasterised([SQUARE], 100_000, 1001),
                   lambda: polygon_iou([SQUARE], [SQUARE * 1e9])):
        with pytest.raises(ValueError, match='are the coordinates in pixels'):
            action()
    with pytest.raises(ValueError, match='not a finite number'):
        repaired(SQUARE * np.nan)
    with pytest.raises(ValueError, match=r'\(n, 2\)'):
        signed_area(np.zeros(8))


def test_equal_neighbours_are_one_vertex() -> None:
    doubled = SQUARE[[0, 0, 1, 2, 2, 3, 0]]
    assert without_repeats(doubled).tolist() == SQUARE[[1, 2, 3, 0]].tolist()
