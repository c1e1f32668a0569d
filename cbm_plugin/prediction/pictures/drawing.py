"""Pixels of frames and text: what strips and animations share."""
from functools import lru_cache
from pathlib import Path
from typing import Tuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = Tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (30, 30, 30)
FAINT: Colour = (115, 115, 115)
EDGE: Colour = (205, 205, 205)
MARK: Colour = (200, 30, 30)
NOT_FINITE: Colour = (255, 0, 255)


def frame_pixels(frame: np.ndarray) -> np.ndarray:
    """A frame ``(C, H, W)`` in [0, 1], C 1 or 3 -> uint8 RGB ``(H, W, 3)``.

    Values beyond are clipped; what is not finite is magenta.
    """
    finite = np.isfinite(frame).all(axis=0)
    pixels = np.rint(np.clip(np.nan_to_num(frame), 0, 1) * 255).astype(np.uint8)
    pixels = np.broadcast_to(pixels.transpose(1, 2, 0), (*pixels.shape[1:], 3)).copy()
    pixels[~finite] = NOT_FINITE
    return pixels


def enlargement(height: int, width: int, min_side: int) -> int:
    """The smallest whole factor by which both sides reach ``min_side`` pixels."""
    return max(1, -(-min_side // min(height, width)))


def paste(canvas: Image.Image, pixels: np.ndarray, corner: Tuple[int, int],
          factor: int = 1) -> None:
    """Each pixel as a square of ``factor``, with a faint edge around them all."""
    height, width = (side * factor for side in pixels.shape[:2])
    left, top = corner
    ImageDraw.Draw(canvas).rectangle((left - 1, top - 1, left + width, top + height), outline=EDGE)
    canvas.paste(Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST),
                 corner)


def text_width(text: str, size: int) -> int:
    """In pixels."""
    return int(np.ceil(_font(size).getlength(text)))


def write(canvas: Image.Image, text: str, place: Tuple[float, float], size: int,
          colour: Colour = INK, anchor: str = 'lt') -> None:
    """Text at a place; ``anchor`` as Pillow has it: 'lt' left and top, 'mm' the middle."""
    ImageDraw.Draw(canvas).text(place, text, fill=colour, font=_font(size), anchor=anchor)


@lru_cache(maxsize=None)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib, which MMEngine requires, brings it; Pillow's own has no minus and no accents.
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / 'fonts/ttf/DejaVuSans.ttf'), size)
