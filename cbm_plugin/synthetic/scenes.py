"""Scenes: objects that hide each other, behind occluders, before clutter; as a photograph.

All places are chosen first, from the front to the back, in a mask of what is covered already: what
an object adds to it is its visible part, and its outline is followed there. Then everything is
painted from the back to the front.
"""
from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from .materials import fill, photographed
from .shape_classes import SHAPE_CLASSES, draw_outline

# Masks are this much finer than pixels, so that outlines are exact to a quarter of a pixel.
FINE = 4
# Distance from an object's middle to its farthest vertex, as a share of the image's side.
RADII = (0.15, 0.27)
# An object shows at least this share of its area ...
MIN_VISIBLE = 0.55
# ... and each of its parts at least this many pixels.
MIN_PART = 120
# How far a drawn outline may lie from the mask's stairs, in pixels.
_SMOOTHING = 0.3
_SHIFT_BITS = 6


@dataclass
class SceneObject:
    """An object of a scene.

    Attributes:
        label: An index into :data:`SHAPE_CLASSES`.
        outline: All of it, hidden or not, float64 ``(n, 2)`` of x, y in pixels (pixel i covers
            i..i+1).
        parts: The outlines of its visible parts, float64 ``(n, 2)`` each, none with a hole.
    """

    label: int
    outline: np.ndarray
    parts: List[np.ndarray]


class Window(NamedTuple):
    """A rectangle of whole pixels, half-open."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def fine(self) -> Tuple[slice, slice]:
        """Rows and columns of a fine mask."""
        return (slice(self.y1 * FINE, self.y2 * FINE), slice(self.x1 * FINE, self.x2 * FINE))

    @property
    def pixels(self) -> Tuple[slice, slice]:
        """Rows and columns of an image."""
        return slice(self.y1, self.y2), slice(self.x1, self.x2)


def draw_scene(labels: Sequence[int], rng: np.random.Generator,
               size: int = 192) -> Tuple[np.ndarray, List[SceneObject]]:
    """Draw an image with one object for each label, the first the nearest to the camera.

    Args:
        labels: Classes, indices into :data:`SHAPE_CLASSES`.
        rng: Source of everything random in the scene.
        size: Height and width in pixels. Default 192.

    Returns:
        The image, BGR, uint8 ``(size, size, 3)``, and its objects in the order of ``labels``.
    """
    placed = None
    while placed is None:  # a crowded scene is begun anew
        placed = _place(labels, rng, size)
    layers, objects = placed
    surface = fill(rng, size, size)
    for outline in reversed(layers):
        _paint(surface, outline, rng)
    return photographed(surface, rng), objects


def fine_mask(outline: np.ndarray, size: int) -> Tuple[Window, np.ndarray]:
    """What an outline covers of an image, 0 or 255, ``FINE`` times finer than pixels.

    Returns:
        The rectangle of the image that it lies in, and the mask of that rectangle.
    """
    low = np.clip(np.floor(outline.min(0)), 0, size).astype(int)
    high = np.clip(np.ceil(outline.max(0)), 0, size).astype(int)
    window = Window(*low, *high)
    mask = np.zeros(((high[1] - low[1]) * FINE, (high[0] - low[0]) * FINE), np.uint8)
    fixed = np.rint(((outline - low) * FINE - 0.5) * 2**_SHIFT_BITS).astype(np.int32)
    if mask.size:
        cv2.fillPoly(mask, [fixed], 255, lineType=cv2.LINE_8, shift=_SHIFT_BITS)
    return window, mask


def visible_parts(outline: np.ndarray, covered: np.ndarray) -> Optional[List[np.ndarray]]:
    """The outlines of what is left of an object behind what is covered.

    Args:
        outline: Of the whole object, in pixels.
        covered: Fine mask of the image, 0 or 255.

    Returns:
        A polygon for each part, or None if too little is left, a part is small, or one has a hole.
    """
    window, mask = fine_mask(outline, covered.shape[0] // FINE)
    visible = mask & ~covered[window.fine]
    area = cv2.contourArea(outline.astype(np.float32)) * FINE**2
    if cv2.countNonZero(visible) < MIN_VISIBLE * area:
        return None
    # OpenCV follows the middles of cells. On the grid of their corners, a corner set where it
    # touches a set cell, that is the cells' outer border.
    corners = cv2.dilate(cv2.copyMakeBorder(visible, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0),
                         np.ones((2, 2), np.uint8), anchor=(1, 1))
    contours, tree = cv2.findContours(corners, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if any(parent >= 0 for parent in tree[0, :, 3]):
        return None
    if min(cv2.contourArea(contour) for contour in contours) < MIN_PART * FINE**2:
        return None
    smooth = [cv2.approxPolyDP(contour, _SMOOTHING * FINE, True)[:, 0] for contour in contours]
    return [(polygon - 1) / FINE + (window.x1, window.y1) for polygon in smooth]


def _place(labels: Sequence[int], rng: np.random.Generator,
           size: int) -> Optional[Tuple[List[np.ndarray], List[SceneObject]]]:
    """All outlines from the front to the back, and the objects; None if one finds no room."""
    covered = np.zeros((size * FINE, size * FINE), np.uint8)
    layers = [_fragment(rng, size) for _ in range(rng.integers(2, 5))]
    for occluder in layers:
        _cover(covered, occluder)
    objects = []
    for label in labels:
        for attempt in range(40):
            radius = size * rng.uniform(*RADII) * 0.98**attempt
            place = rng.uniform(0.6 * radius, size - 0.6 * radius, 2)
            outline = place + radius * draw_outline(SHAPE_CLASSES[label], rng)
            parts = visible_parts(outline, covered)
            if parts is not None:
                break
        else:
            return None
        _cover(covered, outline)
        objects.append(SceneObject(label, outline, parts))
        layers.append(outline)
    layers += [_fragment(rng, size) for _ in range(rng.integers(5, 11))]
    return layers, objects


def _cover(covered: np.ndarray, outline: np.ndarray) -> None:
    window, mask = fine_mask(outline, covered.shape[0] // FINE)
    covered[window.fine] |= mask


def _fragment(rng: np.random.Generator, size: int) -> np.ndarray:
    """Of what is no object: a branch across the image, a pebble, or a splinter."""
    place, kind = rng.uniform(0, size, 2), rng.integers(3)
    turn = rng.uniform(0, 2 * np.pi)
    if kind == 0:
        along = np.linspace(-1, 1, 12)
        middle = np.stack([along, rng.uniform(0, 0.15) * np.sin(3 * along)], 1) * 1.5 * size
        half = rng.uniform(2, 6) * (1 + rng.uniform(-0.5, 0.5) * along)
        points = np.concatenate([middle + half[:, None] * (0, 1),
                                 (middle - half[:, None] * (0, 1))[::-1]])
    else:
        corners = 20 if kind == 1 else rng.integers(3, 6)
        angles = 2 * np.pi * np.arange(corners) / corners
        reach = size * rng.uniform(0.04, 0.12)
        radius = reach * rng.uniform(0.9 if kind == 1 else 0.5, 1, corners)
        points = radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        points *= (1, rng.uniform(0.4, 1))
    sine, cosine = np.sin(turn), np.cos(turn)
    return place + points @ np.array([[cosine, sine], [-sine, cosine]])


def _paint(surface: np.ndarray, outline: np.ndarray, rng: np.random.Generator) -> None:
    """Put a surface of its own into an outline, and its soft shadow below it."""
    window, mask = fine_mask(outline, surface.shape[1])
    if not mask.size:
        return
    _shade(surface, outline, rng)
    height, width = window.y2 - window.y1, window.x2 - window.x1
    alpha = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)
    below = surface[(slice(None), *window.pixels)]
    below += alpha * (fill(rng, height, width) - below)


def _shade(surface: np.ndarray, outline: np.ndarray, rng: np.random.Generator) -> None:
    shadow = np.zeros(surface.shape[1:], np.uint8)
    cv2.fillPoly(shadow, [np.rint(outline + rng.uniform(0, 4, 2)).astype(np.int32)], 255)
    shadow = cv2.GaussianBlur(shadow, (9, 9), 2.5)
    surface *= 1 - shadow * np.float32(rng.uniform(0.1, 0.4) / 255)
