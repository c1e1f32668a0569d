"""Pictures show the outlines where they are, and can be read on any image."""
import numpy as np
import pytest

from cbm_plugin.polygon.annotation.drawing import (
    GAP,
    RIM,
    Example,
    class_colour,
    contact_sheet,
    draw_outlines,
    fill,
    line,
    text_colour,
    write,
)
from cbm_plugin.polygon.annotation.predictions import OutlinePrediction
from cbm_plugin.polygon.geometry.outline import rasterised

SQUARE = np.array([[20, 20], [60, 20], [60, 60], [20, 60]], np.float64)


def plain(value: int, height: int = 100, width: int = 120) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def luminance(colour: tuple) -> float:
    """Relative luminance of a BGR colour after WCAG 2.1."""
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
              for value in np.array(colour) / 255]
    return float(np.dot(linear, (0.0722, 0.7152, 0.2126)))


def contrast(one: tuple, other: tuple) -> float:
    """WCAG's contrast, 1 to 21."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_the_image_itself_is_never_drawn_on() -> None:
    image = plain(0)
    image.setflags(write=False)
    picture = draw_outlines(image, [OutlinePrediction(SQUARE, 0.5)], ['car'], min_side=1)
    assert picture.shape == image.shape and picture.any() and not image.any()


@pytest.mark.parametrize('ground', [0, 128, 255])
def test_the_fill_tints_the_inside_alone_by_its_opacity(ground: int) -> None:
    picture = plain(ground)
    fill(picture, SQUARE, (255, 0, 100), opacity=0.4)
    touched = rasterised([SQUARE + (SQUARE - 40) / 20], 100, 120).astype(bool)
    assert (picture[~touched] == ground).all()  # but for the edge itself
    expected = np.rint(0.6 * ground + 0.4 * np.array([255, 0, 100]))
    assert (picture[21:59, 21:59] == expected).all()


def test_the_fill_lies_where_the_outline_is_to_a_fraction_of_a_pixel() -> None:
    for shift in (0, 0.25, 0.5, 0.75):
        picture = plain(0)
        fill(picture, SQUARE + (shift, 0), (200, 200, 200), opacity=1)
        row = picture[40, :, 0].astype(float)
        centre = (row * (np.arange(120) + 0.5)).sum() / row.sum()
        assert centre == pytest.approx(40 + shift, abs=0.1)


@pytest.mark.parametrize('ground', [0, 60, 128, 200, 255])
@pytest.mark.parametrize('label', range(12))
def test_a_line_stands_out_from_its_rim_and_one_of_both_from_any_ground(ground: int,
                                                                       label: int) -> None:
    picture = plain(ground)
    line(picture, SQUARE, class_colour(label), vertices=False)
    across = [tuple(pixel) for pixel in picture[14:27, 40].tolist()]
    brightest, darkest = max(across, key=luminance), min(across, key=luminance)
    assert contrast(brightest, darkest) >= 4.5
    assert max(contrast(pixel, (ground,) * 3) for pixel in across) >= 2


@pytest.mark.parametrize('label', range(100))
def test_text_is_readable_on_the_colour_of_every_class(label: int) -> None:
    assert contrast(text_colour(class_colour(label)), class_colour(label)) >= 4.5


def test_the_first_classes_have_colours_far_apart() -> None:
    colours = np.array([class_colour(label) for label in range(16)], float)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2) + 1000 * np.eye(16)
    assert apart[:8, :8].min() > 80 and apart.min() > 40
    assert len({class_colour(label) for label in range(91)}) == 91


def test_vertices_are_marked_white_where_they_are() -> None:
    marked, bare = (draw_outlines(plain(90), [OutlinePrediction(SQUARE)], min_side=1,
                                  vertices=vertices) for vertices in (True, False))
    assert all((marked[y, x] > 200).all() for x, y in ((20, 20), (59, 59)))
    assert not (bare > 200).all(axis=2).any()


@pytest.mark.parametrize('corner', [(50, 60), (0, 0), (119, 0), (-400, -400), (900, 900)])
def test_text_stays_inside_the_image(corner: tuple) -> None:
    picture = plain(255, 100, 240)
    write(picture, 'car 0.91', corner, RIM)
    rows, columns = np.nonzero((picture == RIM).all(axis=2))
    everywhere = plain(255, 100, 240)
    write(everywhere, 'car 0.91', (50, 60), RIM)
    assert len(rows) == (everywhere == RIM).all(axis=2).sum()


def test_small_images_are_enlarged_and_the_outline_with_them() -> None:
    picture = draw_outlines(plain(0, 40, 50), [OutlinePrediction(SQUARE / 2.5)], min_side=200)
    assert picture.shape == (200, 250, 3)
    inside = picture[45:115, 45:115]
    assert inside.any(axis=2).all() and not picture[130:, 130:].any()


def test_of_two_overlapping_outlines_the_smaller_lies_in_front() -> None:
    small = OutlinePrediction(SQUARE * 0.5 + 20, label=1)  # 30 to 50
    for outlines in ([OutlinePrediction(SQUARE), small], [small, OutlinePrediction(SQUARE)]):
        picture = draw_outlines(plain(0), outlines, min_side=1, vertices=False)
        crossing = picture[28:32, 36:44].astype(int) - class_colour(1)
        assert (np.abs(crossing).max(axis=2) < 40).any(axis=0).all()


def test_outlines_beyond_the_image_are_drawn_as_far_as_it_goes() -> None:
    far = [OutlinePrediction(SQUARE + shift, 0.5) for shift in (-500, -30, 50, 900)]
    assert draw_outlines(plain(0), far, ['car'], min_side=1).shape == (100, 120, 3)


@pytest.mark.parametrize('image, said', [
    (np.zeros((4, 4), np.uint8), r'uint8 \(4, 4\)'), (np.zeros((4, 4, 3)), 'float64'),
    (np.zeros((0, 4, 3), np.uint8), r'\(0, 4, 3\)'), ('a.png', 'str')])
def test_what_is_no_image_is_refused(image: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw_outlines(image, [])


# --- the sheet


def test_a_sheet_shows_truth_left_and_prediction_right_in_its_place() -> None:
    sheet = contact_sheet([Example(plain(0), [SQUARE], [SQUARE - (20, 0)], 'car')], cell=160)
    truth, prediction = (sheet[-160 - GAP:-GAP, left:left + 160] for left in (0, 160 + GAP))

    def middle(picture: np.ndarray) -> float:
        rows, columns = np.nonzero(picture[40:].any(axis=2))  # below the text
        return columns.mean()

    # the square around both is 75 pixels long, from x = -7.5 on
    assert middle(truth) == pytest.approx(160 * (40 + 7.5) / 75, abs=2)
    assert middle(prediction) == pytest.approx(160 * (20 + 7.5) / 75, abs=8)


def test_a_sheet_has_as_many_rows_as_its_examples_need() -> None:
    example = Example(plain(70), [SQUARE], [SQUARE])
    sizes = [contact_sheet([example] * number, columns=3, cell=64).shape
             for number in (1, 3, 4, 7)]
    height, width = sizes[0][:2]
    assert sizes[1:] == [(height, 3 * width, 3), (2 * height, 3 * width, 3),
                         (3 * height, 3 * width, 3)]


def test_the_sheet_depends_on_the_iou() -> None:
    same, other = (contact_sheet([Example(plain(70), [SQUARE], [prediction])])
                   for prediction in (SQUARE, SQUARE * 0.5 + 20))
    text = slice(0, 14)
    assert (same[text] < 100).any() and not np.array_equal(same[text], other[text])


@pytest.mark.parametrize('number, options', [(0, {}), (1, dict(columns=0)), (1, dict(cell=10))])
def test_a_sheet_of_nothing_is_refused(number: int, options: dict) -> None:
    with pytest.raises(ValueError, match='a sheet needs an example, a column and cells of 64'):
        contact_sheet([Example(plain(0), [SQUARE], [SQUARE])] * number, **options)
