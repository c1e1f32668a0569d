"""Pictures of outlines: on their image, and truth beside prediction for a report.

Readable on any image: every line has a dark rim, and every text a ground of its own. Coordinates
are continuous (the first pixel's centre is 0.5, 0.5); lines are drawn to a sixteenth of a pixel.
Letters other than ASCII's become question marks: OpenCV has no others.
"""
import colorsys
from dataclasses import dataclass
from typing import List, Sequence, Tuple

import cv2
import numpy as np

from ..geometry.crop import Crop, cut
from ..geometry.outline import polygon_iou, signed_area
from .predictions import OutlinePrediction

Colour = Tuple[int, int, int]
"""BGR, 0 to 255."""

RIM: Colour = (10, 10, 10)
WHITE: Colour = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX
BRIGHT = 140
"""Of 255: every class's colour is at least as bright."""
FILL = 0.35
"""How much of a pixel's colour is the fill's."""
SUBPIXEL_BITS = 4
GAP = 4
"""Pixels between the pictures of a sheet."""


def class_colour(label: int) -> Colour:
    """A bright colour for each class; those of the first classes lie farthest apart in hue.

    Hues that are dark by themselves (blue, above all) are mixed with white, so that each stands out
    from its dark rim.
    """
    hue = (0.02 + int(f'{label:016b}'[::-1], 2) / 2 ** 16) % 1  # halves, quarters, eighths ...
    saturation = (0.75, 0.5)[label // 8 % 2]
    while True:
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, 1)
        colour = round(255 * blue), round(255 * green), round(255 * red)
        if brightness(colour) >= BRIGHT:
            return colour
        saturation -= 0.02


def brightness(colour: Colour) -> float:
    """0 to 255, by the weights of the eye."""
    blue, green, red = colour
    return 0.114 * blue + 0.587 * green + 0.299 * red


def text_colour(ground: Colour) -> Colour:
    """Black or white, whichever stands out more on this ground."""
    return RIM if brightness(ground) > 110 else WHITE


def draw_outlines(image: np.ndarray, outlines: Sequence[OutlinePrediction],
                  classes: Sequence[str] = (), min_side: int = 480,
                  vertices: bool = True) -> np.ndarray:
    """Outlines with fill, line, vertices and names on a copy of their image.

    Args:
        image: uint8 BGR ``(H, W, 3)``.
        outlines: in pixels of it; where they overlap, the smaller lies in front.
        classes: names by label. Default: none are written, only scores.
        min_side: images whose shorter side is less are enlarged by a whole factor, so that text and
            vertices stand clear of each other. Default 480 pixels; 1: never.
        vertices: mark them. Default True.

    Returns:
        uint8 BGR ``(k * H, k * W, 3)``.

    Raises:
        ValueError: it is no such image.
    """
    check_image(image)
    factor = max(1, -(-min_side // min(image.shape[:2])))
    canvas = image.copy() if factor == 1 else cv2.resize(
        image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    ordered = sorted(outlines, key=lambda outline: -abs(signed_area(outline.polygon)))
    scaled = [(np.asarray(outline.polygon, np.float64) * factor, outline) for outline in ordered]
    for polygon, outline in scaled:
        fill(canvas, polygon, class_colour(outline.label))
    for polygon, outline in scaled:
        line(canvas, polygon, class_colour(outline.label), vertices)
    for polygon, outline in scaled:
        text = _label(outline, classes)
        if text:
            low = polygon.min(axis=0)
            write(canvas, text, (low[0], low[1]), class_colour(outline.label))
    return canvas


@dataclass(frozen=True)
class Example:
    """An object for a contact sheet.

    Args:
        image: uint8 BGR ``(H, W, 3)``.
        truth: its annotated polygons, in pixels of the image.
        prediction: the predicted ones.
        title: written with the IoU: the class, say.
        label: for the colour.
    """
    image: np.ndarray
    truth: Sequence[np.ndarray]
    prediction: Sequence[np.ndarray]
    title: str = ''
    label: int = 0


def contact_sheet(examples: Sequence[Example], columns: int = 4, cell: int = 160) -> np.ndarray:
    """Truth beside prediction, with their IoU, for each example.

    Args:
        examples: in reading order.
        columns: examples in a row. Default 4.
        cell: side of each picture in pixels. Default 160.

    Returns:
        uint8 BGR.

    Raises:
        ValueError: there is no example, ``columns`` is not positive, or ``cell`` is below 64.
    """
    if not examples or columns < 1 or cell < 64:
        raise ValueError(f'a sheet needs an example, a column and cells of 64 pixels, got '
                         f'{len(examples)} examples, columns={columns}, cell={cell}')
    tiles = [_tile(example, cell) for example in examples]
    columns = min(columns, len(tiles))
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[start:start + columns]) for start in range(0, len(tiles), columns)]
    return np.vstack(rows)


def _tile(example: Example, cell: int) -> np.ndarray:
    """Two pictures under a line of text, with a white margin right and below."""
    check_image(example.image)
    crop = _region([*example.truth, *example.prediction])
    tile = np.full((cell + _text_height(cell) + 2 * GAP, 2 * (cell + GAP) + 3 * GAP, 3), 255,
                   np.uint8)
    colour = class_colour(example.label)
    for column, (name, parts) in enumerate((('truth', example.truth),
                                            ('prediction', example.prediction))):
        picture = cut(example.image, crop, cell)
        for part in parts:
            placed = (np.asarray(part, np.float64) - crop[:2]) * cell / (crop[2] - crop[0])
            fill(picture, placed, colour)
            line(picture, placed, colour, vertices=cell >= 128)
        write(picture, name, (0, 0), RIM)
        left = column * (cell + GAP)
        tile[-cell - GAP:-GAP, left:left + cell] = picture
    iou = polygon_iou(example.truth, example.prediction)
    scale = cell / 350
    cv2.putText(tile, f'IoU {iou:.3f}  {example.title}', (0, _text_height(cell)), FONT, scale, RIM,
                1, cv2.LINE_AA)
    return tile


def _region(parts: Sequence[np.ndarray]) -> Crop:
    """The square around all parts, a quarter longer than they are."""
    points = np.concatenate([np.asarray(part, np.float64) for part in parts])
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(1., float((high - low).max())) * 0.625
    (x, y) = (low + high) / 2
    return x - half, y - half, x + half, y + half


def _text_height(cell: int) -> int:
    return max(10, cell // 12)


# --- strokes


def fill(canvas: np.ndarray, polygon: np.ndarray, colour: Colour, opacity: float = FILL) -> None:
    """Tint the inside, with smooth edges."""
    left, top = np.maximum(np.floor(polygon.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.maximum(np.ceil(polygon.max(axis=0)).astype(int) + 1, 0)
    part = canvas[top:bottom, left:right]
    if not part.size:
        return
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [_fixed(polygon - (left, top))], (255,), cv2.LINE_AA, SUBPIXEL_BITS)
    share = mask[..., None] * np.float32(opacity / 255)
    part[:] = np.rint(part * (1 - share) + np.array(colour, np.float32) * share)


def line(canvas: np.ndarray, polygon: np.ndarray, colour: Colour, vertices: bool = True) -> None:
    """The outline in its colour with a dark rim, and its vertices as white dots."""
    width = max(2, round(min(canvas.shape[:2]) / 400))
    points = _fixed(polygon)
    for thickness, ink in ((width + 2, RIM), (width, colour)):
        cv2.polylines(canvas, [points], True, ink, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
    if vertices:
        for x, y in points.tolist():
            for radius, ink in ((width + 1.5, RIM), (width + 0.5, WHITE)):
                cv2.circle(canvas, (x, y), round(radius * 2 ** SUBPIXEL_BITS), ink, cv2.FILLED,
                           cv2.LINE_AA, SUBPIXEL_BITS)


def write(canvas: np.ndarray, text: str, corner: Tuple[float, float], ground: Colour) -> None:
    """Text on a ground of its own, above ``corner`` where there is room, and inside the image."""
    height, width = canvas.shape[:2]
    scale = max(0.4, min(height, width) / 1000)
    (wide, tall), below = cv2.getTextSize(text, FONT, scale, 1)
    wide, tall = wide + 6, tall + below + 4
    left = int(min(max(0, corner[0]), max(0, width - wide)))
    top = int(min(max(0, corner[1] - tall), max(0, height - tall)))
    cv2.rectangle(canvas, (left, top), (left + wide - 1, top + tall - 1), ground, cv2.FILLED)
    cv2.putText(canvas, text, (left + 3, top + tall - below - 2), FONT, scale, text_colour(ground),
                1, cv2.LINE_AA)


def check_image(image: np.ndarray) -> None:
    """See that it is an image as OpenCV gives them.

    Raises:
        ValueError: it is not uint8 ``(H, W, 3)``.
    """
    if (not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3
            or image.shape[2] != 3 or not image.size):
        kind = (f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray)
                else type(image).__name__)
        raise ValueError(f'an image must be uint8 (H, W, 3), blue first, got {kind}')


def _label(outline: OutlinePrediction, classes: Sequence[str]) -> str:
    parts: List[str] = [classes[outline.label]] if classes else []
    if outline.score is not None:
        parts.append(f'{outline.score:.2f}')
    return ' '.join(parts)


def _fixed(polygon: np.ndarray) -> np.ndarray:
    """Continuous coordinates -> OpenCV's fixed-point ones, in which pixel centres are whole."""
    return np.rint((polygon - 0.5) * 2 ** SUBPIXEL_BITS).astype(np.int32)
