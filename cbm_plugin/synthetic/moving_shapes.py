"""Moving shapes: sequences whose future follows from their beginning, for frame prediction.

Shapes move straight on at constant speed, turn slowly at constant speed, and bounce off the walls
like billiard balls of their own radius: no shape ever leaves the frame. Of two that meet the
brighter one is in front, so that this, too, can be seen before it happens. Only the background that
a shape has hidden all the time cannot be known.
"""
from dataclasses import dataclass
from typing import List

import cv2
import numpy as np

from .materials import noise
from .motion_clips import SHAPES
from .scenes import fine_mask

# Shares of the frame's side. At 64 pixels a shape is 20 to 30 pixels wide, and moves 1.3 to 3.2 of
# them in a frame: it leaves the background it hides, and meets a wall or the other shape about
# once in 10 frames.
RADII = (0.16, 0.24)
SPEEDS = (0.02, 0.05)
# Turns per frame, either way: up to 7 degrees.
SPINS = (0.0, 0.02)

# Grey levels. Each shape has its own range in LEVELS, apart from the others' by 4 tenths of one.
BACKGROUND = (20, 80)
LEVELS = (115, 250)
_GAP = 0.4
_LUMA = np.array([0.299, 0.587, 0.114])
# How far a channel of a coloured surface may lie from its grey level.
_SHAPE_TINT, _BACKGROUND_TINT = 70, 20
# A shape starts at the place, of so many, that is farthest from the others.
_PLACES = 8

MIN_SIZE = 16


@dataclass
class MovingShape:
    """A shape and its motion; lengths in pixels, angles in turns.

    Attributes:
        outline: ``(n, 2)``, x and y about its middle, the farthest vertex at distance 1.
        radius: of the circle around it.
        place: x and y of its middle in the first frame.
        velocity: pixels per frame, until it bounces.
        angle, spin: in the first frame, and its change in each.
        level: its grey level.
        colour: ``(C,)``, its grey level or RGB of that luma.
    """
    outline: np.ndarray
    radius: float
    place: np.ndarray
    velocity: np.ndarray
    angle: float
    spin: float
    level: float
    colour: np.ndarray

    def places(self, times: np.ndarray, size: int) -> np.ndarray:
        """Where its middle is, ``(T, 2)``, between walls that it touches at ``radius``."""
        room = size - 2 * self.radius
        straight = self.place - self.radius + times[:, None] * self.velocity
        # in a row of mirrors the way is straight: what passed a wall comes back
        return self.radius + room - np.abs(straight % (2 * room) - room)

    def outlines(self, times: np.ndarray, size: int) -> np.ndarray:
        """Its outline in the frames, ``(T, n, 2)``."""
        angles = 2 * np.pi * (self.angle + self.spin * times)
        sine, cosine = np.sin(angles), np.cos(angles)
        turns = np.stack([cosine, sine, -sine, cosine], axis=1).reshape(-1, 2, 2)
        return self.radius * self.outline @ turns + self.places(times, size)[:, None]


def render_moving_shapes(rng: np.random.Generator, num_frames: int = 20, size: int = 64,
                         num_shapes: int = 2, colour: bool = False,
                         texture: float = 10.0) -> np.ndarray:
    """Draw one sequence.

    One state of ``rng`` gives the same first frames whatever ``num_frames``.

    Args:
        rng: all randomness.
        num_frames: T. Default 20: 10 to see and 10 to predict.
        size: height and width in pixels. Default 64.
        num_shapes: Default 2.
        colour: RGB instead of grey. Default False.
        texture: the background differs from its mean by up to so many grey levels, smoothly; in
            each sequence by a random share of that. 0: plain. Default 10.

    Returns:
        uint8 ``(T, size, size, 1)``, or ``(T, size, size, 3)`` in colour.

    Raises:
        ValueError: an argument is out of its range.
    """
    check_moving_shapes(num_frames, size, num_shapes, texture)
    background = _background(rng, size, colour, texture)
    shapes = draw_shapes(rng, size, num_shapes, colour)
    times = np.arange(num_frames)
    frames = np.repeat(background[None], num_frames, axis=0)
    for shape in shapes:
        for frame, outline in zip(frames, shape.outlines(times, size)):
            _paint(frame, outline, shape.colour)
    return np.rint(frames).clip(0, 255).astype(np.uint8)


def check_moving_shapes(num_frames: int, size: int, num_shapes: int, texture: float) -> None:
    """Refuse arguments of :func:`render_moving_shapes` that are out of their range."""
    if num_frames < 1 or num_shapes < 1:
        raise ValueError(f'num_frames={num_frames} and num_shapes={num_shapes} must be at least 1')
    if size < MIN_SIZE:
        raise ValueError(f'size={size} leaves shapes of a few pixels: use {MIN_SIZE} or more')
    if not 0 <= texture <= BACKGROUND[0]:
        raise ValueError(f'texture={texture} must lie in 0..{BACKGROUND[0]}: a stronger one hides '
                         'the shapes')


def draw_shapes(rng: np.random.Generator, size: int, num_shapes: int,
                colour: bool = False) -> List[MovingShape]:
    """The shapes of a sequence, from the darkest, at the back, to the brightest, in front."""
    shapes: List[MovingShape] = []
    for number in range(num_shapes):
        outline = list(SHAPES.values())[rng.integers(len(SHAPES))]
        radius = size * rng.uniform(*RADII)
        direction = 2 * np.pi * rng.random()
        speed = size * rng.uniform(*SPEEDS)
        level = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * (
            number + rng.uniform(0, 1 - _GAP)) / num_shapes
        shapes.append(MovingShape(
            outline=outline * (rng.choice((-1, 1)), 1), radius=radius,
            place=_free_place(rng, radius, size, shapes),
            velocity=speed * np.array([np.cos(direction), np.sin(direction)]),
            angle=rng.random(), spin=rng.choice((-1, 1)) * rng.uniform(*SPINS), level=level,
            colour=_tinted(rng, level, _SHAPE_TINT) if colour else np.array([level])))
    return shapes


def _free_place(rng: np.random.Generator, radius: float, size: int,
                others: List[MovingShape]) -> np.ndarray:
    """A random place that is likely to be apart from the others: all shapes are to be seen."""
    places = rng.uniform(radius, size - radius, (_PLACES, 2))
    gaps = [np.linalg.norm(places - other.place, axis=1) - other.radius for other in others]
    return places[np.min(gaps, axis=0).argmax()] if gaps else places[0]


def _background(rng: np.random.Generator, size: int, colour: bool, texture: float) -> np.ndarray:
    level = rng.uniform(*BACKGROUND)
    mean = _tinted(rng, level, _BACKGROUND_TINT) if colour else np.array([level])
    pattern = noise(rng, size, size, size / 5).clip(-1, 1)[..., None]
    return (mean + rng.uniform(0, texture) * pattern).astype(np.float32)


def _tinted(rng: np.random.Generator, level: float, most: float) -> np.ndarray:
    """A colour (RGB) of this luma, no channel of which is more than ``most`` away from it."""
    tint = rng.uniform(-1, 1, 3)
    tint -= _LUMA @ tint
    return level + min(most, level, 255 - level) * tint / np.abs(tint).max()


def _paint(frame: np.ndarray, outline: np.ndarray, colour: np.ndarray) -> None:
    """Put a colour into an outline, with soft edges of a pixel."""
    window, mask = fine_mask(outline, frame.shape[0])
    width, height = window.x2 - window.x1, window.y2 - window.y1
    alpha = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    below = frame[window.pixels]
    below += (alpha / np.float32(255))[..., None] * (colour.astype(np.float32) - below)
