"""Colours for how far a prediction is from the truth, and the key to them."""
from typing import Iterable, Optional, Tuple

import numpy as np
from PIL import Image

from .drawing import FAINT, NOT_FINITE, paste, text_width, write

# ColorBrewer's RdBu from its blue end: no difference is nearly white, both ends are as dark.
SIGNED = np.array([(5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31)])
# Five colours of Matplotlib's inferno: the brightness rises evenly, in grey print too.
ABSOLUTE = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)])
KINDS = ('signed', 'absolute')
BAR, GAP = 90, 6


class DifferenceColours:
    """Prediction less truth in colours, the same in every picture.

    The scale is fixed, never fitted to what is shown: pictures of different epochs and models can
    be compared.

    Args:
        kind: ``'signed'``: blue where the prediction is too dark, red where it is too bright, by
            the mean of the channels; ``'absolute'``: the brighter the farther, by the mean of the
            channels' absolute differences.
        limit: the difference that has the last colour, as larger ones have. Default 0.5: half of
            the full range, since small errors are what good models differ in.

    Raises:
        ValueError: ``kind`` is unknown, or ``limit`` is not in (0, 1].
    """

    def __init__(self, kind: str, limit: float = 0.5) -> None:
        if kind not in KINDS:
            raise ValueError(f"difference is '{kind}': use one of {', '.join(KINDS)}")
        if not 0 < limit <= 1:
            raise ValueError(f'difference_limit is {limit}, but must be above 0 and at most 1, the '
                             'full range of frames')
        self.kind, self.limit = kind, limit
        self._colours = SIGNED if kind == 'signed' else ABSOLUTE
        self._low = -limit if kind == 'signed' else 0.

    @classmethod
    def for_channels(cls, channels: Iterable[int], kind: Optional[str] = None,
                     limit: float = 0.5) -> 'DifferenceColours':
        """Of frames of so many channels.

        Args:
            kind: default None: signed for grey frames, absolute where any have colour, whose
                channels could cancel.
        """
        return cls(kind or ('signed' if set(channels) == {1} else 'absolute'), limit)

    def pixels(self, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Of frames ``(C, H, W)``: uint8 RGB ``(H, W, 3)``. What is not finite is magenta."""
        apart = prediction - truth
        return self._coloured((apart if self.kind == 'signed' else np.abs(apart)).mean(axis=0))

    def draw_key(self, canvas: Image.Image, corner: Tuple[int, int], size: int) -> None:
        """What the colours mean, in one line of text of this size."""
        left, top = corner
        for text, colours in self._key():
            if colours is not None:
                paste(canvas, np.tile(colours, (size, 1, 1)), (left, top))
                left += BAR + GAP
            else:
                write(canvas, text, (left, top + size / 2), size, FAINT, 'lm')
                left += text_width(text, size) + GAP

    def key_width(self, size: int) -> int:
        """Pixels that :meth:`draw_key` takes."""
        return sum(GAP + (BAR if colours is not None else text_width(text, size))
                   for text, colours in self._key())

    def _key(self) -> Tuple[Tuple[str, Optional[np.ndarray]], ...]:
        bar = self._coloured(np.linspace(self._low, self.limit, BAR))
        if self.kind == 'signed':
            return (('difference = prediction − truth:', None), (f'−{self.limit:g}', None),
                    ('', bar), (f'+{self.limit:g}', None))
        return ('difference = |prediction − truth|:', None), ('0', None), ('', bar), (
            f'{self.limit:g}', None)

    def _coloured(self, values: np.ndarray) -> np.ndarray:
        share = (np.clip(np.nan_to_num(values), self._low, self.limit) - self._low) / (
            self.limit - self._low)
        pixels = spread(self._colours, 256)[np.rint(share * 255).astype(int)]
        pixels[~np.isfinite(values)] = NOT_FINITE
        return pixels


def spread(colours: np.ndarray, number: int) -> np.ndarray:
    """So many colours evenly through the given ones: uint8 ``(number, 3)``."""
    places = np.linspace(0, len(colours) - 1, number)
    return np.rint([np.interp(places, range(len(colours)), channel)
                    for channel in colours.T]).astype(np.uint8).T
