"""A sequence as an animated GIF: what comes beside what was predicted, step by step."""
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np
from PIL import Image, ImageDraw

from ...files import write_whole
from .differences import ABSOLUTE, SIGNED, DifferenceColours, spread
from .drawing import (
    EDGE,
    FAINT,
    INK,
    MARK,
    NOT_FINITE,
    PAPER,
    enlargement,
    frame_pixels,
    paste,
    text_width,
    write,
)
from .sequence import PicturedSequence, frame_of

MARGIN, GAP, TEXT, BAR = 12, 10, 13, 8
BLANK = (240, 240, 240)
LAST_FRAME_SECONDS = 1.5
MAX_FPS = 50  # viewers slow down what asks for more


def draw_animation(sequence: PicturedSequence, difference: Optional[str] = None,
                   difference_limit: float = 0.5, min_side: int = 160) -> List[Image.Image]:
    """Draw a picture of each time step.

    Side by side are what was seen and then came; and of each model the prediction and its
    difference from the truth. Until the prediction begins, their places are grey. From then on the
    number of the step (T1, T2, ...), a bar below and the edges of the predictions are red.

    Args:
        sequence: one.
        difference: ``'signed'`` or ``'absolute'``. Default None: signed for grey frames, absolute
            for colour; see :class:`~.differences.DifferenceColours`.
        difference_limit: of the colours' scale, which is written below. Default 0.5.
        min_side: smaller frames are enlarged by the whole factor that reaches it. Default 160.

    Returns:
        As many RGB pictures as there are inputs and predicted steps.

    Raises:
        ValueError: an option is out of its range.
    """
    if min_side < 1:
        raise ValueError(f'min_side is {min_side}, but must be 1 pixel or more')
    colours = DifferenceColours.for_channels([sequence.frame_shape[0]], difference,
                                             difference_limit)
    layout = _Layout.of(sequence, min_side, colours)
    ground = _ground(sequence, layout, colours)
    steps = range(-len(sequence.inputs), sequence.num_outputs)
    return [_drawn_step(ground.copy(), sequence, step, layout, colours) for step in steps]


def write_animation(path: Union[str, Path], sequence: PicturedSequence, fps: float = 5,
                    **options: object) -> None:
    """:func:`draw_animation` into a GIF that repeats for ever, written whole or not at all.

    Args:
        path: ends with ``.gif``.
        sequence: one.
        fps: steps a second. Default 5, at which single steps can be told apart. The last one
            stays for 1.5 s.
        options: of :func:`draw_animation`.

    Raises:
        ValueError: ``path`` has another ending, ``fps`` is not in (0, 50], or see there.
    """
    if Path(path).suffix.lower() != '.gif':
        raise ValueError(f'an animation is a GIF: {path} must end with .gif')
    if not 0 < fps <= MAX_FPS:
        raise ValueError(f'fps is {fps}, but must be above 0 and at most {MAX_FPS}')
    pictures = draw_animation(sequence, **options)  # type: ignore[arg-type]
    index = _with_adapted_colours if sequence.frame_shape[0] == 3 else _with_grey_colours
    indexed = [index(picture) for picture in pictures]
    durations = [round(1000 / fps)] * (len(indexed) - 1) + [round(1000 * LAST_FRAME_SECONDS)]
    write_whole(Path(path), lambda draft: indexed[0].save(
        draft, save_all=True, append_images=indexed[1:], duration=durations, loop=0))


# GIF has 256 colours. Dithering is off everywhere: its noise would look like a model's error.


def _with_adapted_colours(picture: Image.Image) -> Image.Image:
    return picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _with_grey_colours(picture: Image.Image) -> Image.Image:
    """Half of all greys and both scales of differences: adapted colours flicker between steps."""
    packed = np.asarray(picture).astype(np.int32) @ (1 << 16, 1 << 8, 1)
    seen, index = np.unique(packed, return_inverse=True)
    colours = np.stack([seen >> 16, seen >> 8 & 255, seen & 255], axis=1)
    nearest = ((colours[:, None] - GREY_PALETTE) ** 2).sum(axis=2).argmin(axis=1)
    indexed = Image.fromarray(nearest.astype(np.uint8)[index.reshape(packed.shape)])
    indexed.putpalette(GREY_PALETTE.astype(np.uint8).tobytes())
    return indexed


GREY_PALETTE = np.concatenate([
    np.linspace(0, 255, 128).round()[:, None].repeat(3, axis=1), spread(SIGNED, 63),
    spread(ABSOLUTE, 63), [MARK, NOT_FINITE]]).astype(np.int32)


class _Panel(NamedTuple):
    """One picture of a step. Without frames: the inputs, then the truth."""
    label: str
    frames: Optional[np.ndarray] = None
    less_truth: bool = False


class _Layout(NamedTuple):
    """Where things are, in pixels."""
    panels: Dict[int, _Panel]
    """By their left edges."""
    factor: int
    size: Tuple[int, int]
    """Height and width of a panel."""
    panels_at: int
    bar_at: int
    key_at: int
    width: int
    height: int

    @classmethod
    def of(cls, sequence: PicturedSequence, min_side: int,
           colours: DifferenceColours) -> '_Layout':
        _, height, width = sequence.frame_shape
        factor = enlargement(height, width, min_side)
        height, width = height * factor, width * factor
        panels, left = {}, MARGIN
        for panel in _panels(sequence):
            panels[left] = panel
            left += max(width, text_width(panel.label, TEXT)) + GAP
        title = round(1.8 * TEXT)
        panels_at = MARGIN + 2 * title
        bar_at = panels_at + height + GAP
        key_at = bar_at + BAR + GAP
        with_key = sequence.truth is not None
        first_line = sequence.name + 3 * ' ' + _step_text(sequence, sequence.num_outputs - 1)
        widths = [left - GAP - MARGIN, text_width(first_line, TEXT),
                  colours.key_width(TEXT) if with_key else 0]
        return cls(panels, factor, (height, width), panels_at, bar_at, key_at,
                   width=max(widths) + 2 * MARGIN,
                   height=key_at + (TEXT + MARGIN if with_key else MARGIN - GAP))


def _panels(sequence: PicturedSequence) -> List[_Panel]:
    panels = [_Panel('')]
    for name, frames in sequence.predictions.items():
        panels.append(_Panel(name, frames))
        if sequence.truth is not None:
            panels.append(_Panel('difference', frames, less_truth=True))
    return panels


def _ground(sequence: PicturedSequence, layout: _Layout,
            colours: DifferenceColours) -> Image.Image:
    """What all steps have in common."""
    page = Image.new('RGB', (layout.width, layout.height), PAPER)
    write(page, sequence.name, (MARGIN, MARGIN), TEXT, INK)
    for left, panel in layout.panels.items():
        write(page, panel.label, (left, layout.panels_at - TEXT // 2 - 2), TEXT, FAINT, 'ls')
    if sequence.truth is not None:
        colours.draw_key(page, (MARGIN, layout.key_at), TEXT)
    return page


def _drawn_step(page: Image.Image, sequence: PicturedSequence, step: int, layout: _Layout,
                colours: DifferenceColours) -> Image.Image:
    """The picture of a step: 0 is the first predicted one, the inputs are below."""
    height, width = layout.size
    top = layout.panels_at
    begun = step >= 0
    for left, panel in layout.panels.items():
        pixels = _pixels(panel, sequence, step, colours)
        if pixels is None:
            ImageDraw.Draw(page).rectangle((left, top, left + width - 1, top + height - 1), BLANK)
        else:
            paste(page, pixels, (left, top), layout.factor)
        if begun and panel.frames is not None and not panel.less_truth:
            ImageDraw.Draw(page).rectangle(
                (left - 3, top - 3, left + width + 2, top + height + 2), outline=MARK, width=3)
    known = 'truth' if begun else 'input'
    if begun and frame_of(sequence.truth, step) is None:
        known = 'truth unknown'
    write(page, known, (MARGIN, top - TEXT // 2 - 2), TEXT, FAINT, 'ls')
    _draw_time(page, sequence, step, layout)
    return page


def _draw_time(page: Image.Image, sequence: PicturedSequence, step: int,
               layout: _Layout) -> None:
    """Number of the step above, and a bar of all steps below: grey seen, red predicted."""
    inputs, outputs = len(sequence.inputs), sequence.num_outputs
    write(page, _step_text(sequence, step), (layout.width - MARGIN, MARGIN), TEXT,
          MARK if step >= 0 else FAINT, 'rt')
    draw = ImageDraw.Draw(page)
    edges = np.linspace(MARGIN, layout.width - MARGIN, inputs + outputs + 1).round().astype(int)
    for number, (left, right) in enumerate(zip(edges[:-1], edges[1:])):
        shown = number <= inputs + step
        colour = EDGE if not shown else FAINT if number < inputs else MARK
        draw.rectangle((int(left), layout.bar_at, max(int(left), int(right) - 2),
                        layout.bar_at + BAR - 1), colour)


def _step_text(sequence: PicturedSequence, step: int) -> str:
    inputs = len(sequence.inputs)
    return (f'predicting T{step + 1} of T{sequence.num_outputs}' if step >= 0
            else f'input {inputs + step + 1} of {inputs}')


def _pixels(panel: _Panel, sequence: PicturedSequence, step: int,
            colours: DifferenceColours) -> Optional[np.ndarray]:
    if step < 0:
        return frame_pixels(sequence.inputs[step]) if panel.frames is None else None
    frame, truth = frame_of(panel.frames, step), frame_of(sequence.truth, step)
    if panel.frames is None:
        return None if truth is None else frame_pixels(truth)
    if frame is None:
        return None
    if not panel.less_truth:
        return frame_pixels(frame)
    return None if truth is None else colours.pixels(frame, truth)
