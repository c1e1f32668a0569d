"""Frames and differences become the pixels that the key promises."""
import numpy as np
import pytest
from PIL import Image

from cbm_plugin.prediction.pictures.differences import ABSOLUTE, SIGNED, DifferenceColours
from cbm_plugin.prediction.pictures.drawing import (
    NOT_FINITE,
    enlargement,
    frame_pixels,
    paste,
    text_width,
)

from .sequences import plain


def test_frames_keep_their_values_and_what_is_not_finite_is_magenta() -> None:
    frame = np.array([[[0, 0.5, 1], [-3, 7, np.nan]]], np.float32)
    grey = frame_pixels(frame)
    assert grey[..., 0].tolist() == [[0, 128, 255], [0, 255, NOT_FINITE[0]]]
    assert (grey[0] == grey[0, :, :1]).all() and tuple(grey[1, 2]) == NOT_FINITE
    colour = frame_pixels(np.array([1, 0.2, 0], np.float32).reshape(3, 1, 1))
    assert colour.tolist() == [[[255, 51, 0]]]


@pytest.mark.parametrize('kind, prediction, colour', [
    ('signed', 0.5, SIGNED[2]), ('signed', 0.7, SIGNED[4]), ('signed', 0.3, SIGNED[0]),
    ('signed', 1.0, SIGNED[4]), ('signed', 0.4, SIGNED[1]), ('absolute', 0.5, ABSOLUTE[0]),
    ('absolute', 0.3, ABSOLUTE[4]), ('absolute', 0.6, ABSOLUTE[2]),
    ('absolute', np.nan, NOT_FINITE)])
def test_a_difference_has_the_colour_of_its_place_on_the_scale(
        kind: str, prediction: float, colour: tuple) -> None:
    pixels = DifferenceColours(kind, 0.2).pixels(plain([prediction])[0], plain([0.5])[0])
    assert pixels.shape == (8, 12, 3)
    # half a step of a scale with 256 colours
    assert np.abs(pixels.astype(int) - np.array(colour)).max() <= 2


def test_channels_that_would_cancel_are_shown_absolute_unless_wanted_otherwise() -> None:
    truth, prediction = np.full((3, 1, 1), 0.5), np.array([0.9, 0.1, 0.5]).reshape(3, 1, 1)
    chosen = DifferenceColours.for_channels([1, 3])
    assert chosen.kind == 'absolute' and DifferenceColours.for_channels([1]).kind == 'signed'
    assert chosen.pixels(prediction, truth).sum() > ABSOLUTE[2].sum()
    signed = DifferenceColours.for_channels([3], 'signed').pixels(prediction, truth)
    assert np.abs(signed.astype(int) - SIGNED[2]).max() <= 2


@pytest.mark.parametrize('options, said', [
    (('relative', ), "difference is 'relative': use one of signed, absolute"),
    (('signed', 0), 'difference_limit is 0'), (('signed', 1.5), 'difference_limit is 1.5')])
def test_scales_that_mean_nothing_are_refused(options: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DifferenceColours(*options)


@pytest.mark.parametrize('kind, colours', [('signed', SIGNED), ('absolute', ABSOLUTE)])
def test_the_key_shows_all_colours_from_end_to_end_in_the_width_it_promises(
        kind: str, colours: np.ndarray) -> None:
    key = DifferenceColours(kind, 0.25)
    canvas = Image.new('RGB', (600, 20), (1, 2, 3))
    key.draw_key(canvas, (0, 0), 12)
    row = np.asarray(canvas)[6].tolist()
    assert [row.index(c) for c in (colours[0].tolist(), colours[-1].tolist())] == sorted(
        row.index(c) for c in (colours[0].tolist(), colours[-1].tolist()))
    drawn = np.nonzero((np.asarray(canvas) != (1, 2, 3)).any(axis=(0, 2)))[0]
    assert 400 > key.key_width(12) > drawn.max() >= key.key_width(12) - 12


def test_small_frames_are_enlarged_by_whole_factors_and_large_ones_left() -> None:
    assert [enlargement(*size, 64) for size in ((64, 64), (28, 36), (128, 96), (63, 200))] == [
        1, 3, 1, 2]
    canvas = Image.new('RGB', (20, 20))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)
    paste(canvas, pixels, (4, 5), 3)
    assert np.array_equal(np.asarray(canvas)[5:11, 4:13], np.kron(pixels, np.ones((3, 3, 1))))


def test_the_font_has_a_minus_and_accents() -> None:
    missing = text_width('\U0010ffff', 50)  # a box
    assert all(text_width(sign, 50) != missing for sign in '−éüßЖ')
