"""Moving shapes: their motion is a law that the first frames show."""
import cv2
import numpy as np
import pytest

from cbm_plugin.synthetic.moving_shapes import (
    BACKGROUND,
    MovingShape,
    draw_shapes,
    render_moving_shapes,
)

LUMA = np.array([0.299, 0.587, 0.114])


def sequence(seed: int, **options: object) -> np.ndarray:
    return render_moving_shapes(np.random.default_rng(seed), **options)


def shape(**changes: object) -> MovingShape:
    made = draw_shapes(np.random.default_rng(0), 64, 1)[0]
    for name, value in changes.items():
        setattr(made, name, value)
    return made


# --- motion


def test_shapes_bounce_like_balls_between_the_walls() -> None:
    steps = 400  # of each frame: the naive way, small steps and a look at the wall
    for seed in range(5):
        made = draw_shapes(np.random.default_rng(seed), 64, 1)[0]
        place, velocity = made.place.copy(), made.velocity * 3  # some bounces
        made.velocity = velocity.copy()
        found = made.places(np.arange(16), 64)
        for t in range(16):
            assert found[t] == pytest.approx(place, abs=0.15)
            for _ in range(steps):
                place += velocity / steps
                velocity[place < made.radius] = np.abs(velocity[place < made.radius])
                velocity[place > 64 - made.radius] = -np.abs(velocity[place > 64 - made.radius])


def test_no_outline_ever_leaves_the_frame() -> None:
    for seed in range(30):
        for made in draw_shapes(np.random.default_rng(seed), 64, 3):
            outlines = made.outlines(np.arange(200), 64)
            assert outlines.min() >= -1e-9 and outlines.max() <= 64 + 1e-9


def test_an_outline_turns_by_its_spin_about_its_middle_and_keeps_its_form() -> None:
    made = shape(spin=0.25, angle=0.0, velocity=np.zeros(2), place=np.array([30.0, 34.0]))
    first, second = made.outlines(np.arange(2), 64) - made.place
    quarter = np.stack([-first[:, 1], first[:, 0]], axis=1)  # clockwise, since y grows downwards
    assert second == pytest.approx(quarter)
    assert np.linalg.norm(first, axis=1).max() == pytest.approx(made.radius)


def test_speeds_move_a_shape_visibly_and_not_farther_than_it_is_wide() -> None:
    for seed in range(50):
        for made in draw_shapes(np.random.default_rng(seed), 64, 2):
            assert 1.28 <= np.linalg.norm(made.velocity) <= 3.2 < 2 * made.radius
            assert abs(made.spin) <= 0.02


def test_shapes_start_apart_as_a_rule() -> None:
    apart = 0
    for seed in range(100):
        one, other = draw_shapes(np.random.default_rng(seed), 64, 2)
        apart += np.linalg.norm(one.place - other.place) > one.radius + other.radius
    assert apart > 60


# --- pixels


def test_coverage_is_that_of_a_naive_drawing_of_the_outlines() -> None:
    seed, fine = 3, 16
    frames = sequence(seed, num_shapes=1, texture=0, num_frames=3)[..., 0].astype(float)
    rng = np.random.default_rng(seed)
    level = rng.uniform(*BACKGROUND)
    rng = _after_background(seed)
    made = draw_shapes(rng, 64, 1)[0]
    grid = (np.arange(64 * fine) + 0.5) / fine
    for frame, outline in zip(frames, made.outlines(np.arange(3), 64)):
        inside = _inside(outline, *np.meshgrid(grid, grid))
        coverage = inside.reshape(64, fine, 64, fine).mean(axis=(1, 3))
        found = (frame - level) / (made.level - level)
        assert np.abs(found - coverage).mean() < 0.01 and np.abs(found - coverage).max() < 0.35
        assert found.sum() == pytest.approx(coverage.sum(), rel=0.08)


def _after_background(seed: int) -> np.random.Generator:
    """The state that the shapes are drawn from: what is drawn of the background comes first."""
    rng = np.random.default_rng(seed)
    rng.uniform(*BACKGROUND)
    rng.random((8, 8), np.float32)  # a grain in 12.8 pixels, and a margin of 3
    rng.uniform()
    return rng


def _inside(outline: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Even-odd rule: how many edges are to the right of a point."""
    crossings = np.zeros(x.shape, int)
    for (x1, y1), (x2, y2) in zip(outline, np.roll(outline, -1, axis=0)):
        if y1 != y2:
            crossings += ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return crossings % 2 == 1


def test_the_brighter_shape_is_in_front_whole_where_they_meet() -> None:
    met = 0
    for seed in range(20):
        back, front = draw_shapes(_after_background(seed), 64, 2)
        assert front.level - back.level > 25
        frames = sequence(seed, texture=0)[..., 0]
        for t in range(0, 20, 2):
            masks = []
            for made in (back, front):
                mask = np.zeros((64, 64), np.uint8)
                outline = made.outlines(np.array([t]), 64)[0]
                cv2.fillPoly(mask, [np.rint(outline - 0.5).astype(int)], 1)
                inner = cv2.erode(mask, np.ones((5, 5), np.uint8), borderValue=0,
                                  borderType=cv2.BORDER_CONSTANT)
                masks.append(inner > 0)
            met += (masks[0] & masks[1]).any()
            assert np.abs(frames[t][masks[1]] - front.level).max(initial=0) <= 0.51
    assert met > 10


def test_a_longer_sequence_begins_with_the_shorter_one() -> None:
    assert (sequence(1, num_frames=20)[:7] == sequence(1, num_frames=7)).all()


def test_sequences_are_a_function_of_the_generator() -> None:
    assert (sequence(1) == sequence(1)).all()
    assert (sequence(1) != sequence(2)).any()


def test_nothing_but_the_shapes_moves() -> None:
    frames = sequence(4)[..., 0].astype(int)
    shapes = draw_shapes(_after_background(4), 64, 2)
    reach = np.ones((64, 64), bool)
    grid = np.stack(np.meshgrid(np.arange(64), np.arange(64)), axis=-1) + 0.5
    for made in shapes:
        for place in made.places(np.arange(20), 64):
            reach &= np.linalg.norm(grid - place, axis=-1) > made.radius + 1.5
    assert reach.sum() > 200
    assert (frames[:, reach] == frames[0, reach]).all()
    assert len(np.unique(frames[0, reach])) > 2  # it is textured


@pytest.mark.parametrize('seed', range(10))
def test_in_colour_levels_are_lumas_and_the_background_is_darker_than_any_shape(seed: int) -> None:
    frames = sequence(seed, colour=True, num_frames=2)
    assert frames.shape == (2, 64, 64, 3) and frames.dtype == np.uint8
    luma = frames[0] @ LUMA
    shapes = draw_shapes(_after_background(seed), 64, 2, colour=False)
    assert luma.max() <= 250 and np.median(luma) <= BACKGROUND[1] + 10
    assert min(made.level for made in shapes) >= 115


def test_colours_keep_their_luma_and_range() -> None:
    for seed in range(50):
        for made in draw_shapes(np.random.default_rng(seed), 64, 2, colour=True):
            assert LUMA @ made.colour == pytest.approx(made.level)
            assert 0 <= made.colour.min() and made.colour.max() <= 255


# --- wrong arguments


@pytest.mark.parametrize('wrong, words', [
    (dict(num_frames=0), 'num_frames=0'),
    (dict(num_shapes=0), 'num_shapes=0'),
    (dict(size=15), 'size=15.*use 16 or more'),
    (dict(texture=-1), 'texture=-1 must lie in 0..20'),
    (dict(texture=21), 'texture=21'),
])
def test_a_wrong_argument_is_named_with_its_bound(wrong: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sequence(0, **wrong)
