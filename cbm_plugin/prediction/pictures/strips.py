"""Sequences as one picture: a column for each time step, inputs left, predictions below truth."""
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image, ImageDraw

from ...files import write_whole
from .differences import DifferenceColours
from .drawing import (
    EDGE,
    FAINT,
    INK,
    MARK,
    PAPER,
    enlargement,
    frame_pixels,
    paste,
    text_width,
    write,
)
from .sequence import PicturedSequence, frame_of

MARGIN, GAP, LABEL_GAP, BLOCK_GAP = 14, 4, 8, 22
TITLE = 1.15


def draw_strips(sequences: Sequence[PicturedSequence], difference: Optional[str] = None,
                difference_limit: float = 0.5, columns: int = 30,
                min_side: int = 64) -> Image.Image:
    """Draw sequences below each other.

    Each has its inputs to the left. To the right, in the columns of the same time steps, the truth,
    and below it, for each model, its prediction and its difference from the truth. Inputs are
    numbered from 1, predicted steps T1, T2, ... as in the metrics' names.

    Args:
        sequences: in order from the top.
        difference: ``'signed'`` or ``'absolute'``. Default None: signed for grey frames, absolute
            for colour; see :class:`~.differences.DifferenceColours`.
        difference_limit: of the colours' scale, which is written below. Default 0.5.
        columns: of inputs and of predicted steps at most so many. Of more, every second, third ...
            is shown. Default 30: the longest that the published protocols predict is 20.
        min_side: smaller frames are enlarged by the whole factor that reaches it. Default 64.

    Returns:
        An RGB picture.

    Raises:
        ValueError: there is no sequence, or an option is out of its range.
    """
    if not sequences or columns < 1 or min_side < 1:
        raise ValueError(f'strips need a sequence, a column and a pixel, got {len(sequences)} '
                         f'sequences, columns={columns}, min_side={min_side}')
    colours = DifferenceColours.for_channels((s.frame_shape[0] for s in sequences), difference,
                                             difference_limit)
    rows = [_rows(sequence) for sequence in sequences]
    with_key = any(row.less_truth for block in rows for row in block)
    layouts = [_Layout.of(sequence, block, rows, columns, min_side)
               for sequence, block in zip(sequences, rows)]
    size = layouts[0].text
    width = max([layout.width for layout in layouts]
                + [colours.key_width(size) + 2 * MARGIN if with_key else 0])
    height = (MARGIN + sum(layout.height + BLOCK_GAP for layout in layouts)
              + (size + MARGIN if with_key else 0))
    page = Image.new('RGB', (width, height), PAPER)
    top = MARGIN
    for sequence, block, layout in zip(sequences, rows, layouts):
        _draw_block(page, top, sequence, block, layout, colours)
        top += layout.height + BLOCK_GAP
    if with_key:
        colours.draw_key(page, (MARGIN, top), size)
    return page


def write_strips(path: Union[str, Path], sequences: Sequence[PicturedSequence],
                 **options: object) -> None:
    """:func:`draw_strips` into a file, whole or not at all; its ending chooses the format."""
    page = draw_strips(sequences, **options)  # type: ignore[arg-type]
    write_whole(Path(path), page.save)


class _Row(NamedTuple):
    """One line of frames right of the inputs."""
    label: str
    frames: np.ndarray
    less_truth: bool = False


def _rows(sequence: PicturedSequence) -> List[_Row]:
    rows = [] if sequence.truth is None else [_Row('truth', sequence.truth)]
    for name, frames in sequence.predictions.items():
        rows.append(_Row(name, frames))
        if sequence.truth is not None:
            rows.append(_Row('difference', frames, less_truth=True))
    return rows


class _Layout(NamedTuple):
    """Where things of one sequence are, in pixels from its upper edge and the page's left one."""
    factor: int
    cell: Tuple[int, int]
    """Height and width of a frame with its gap."""
    text: int
    title: int
    """Height of the line of the name."""
    inputs_at: int
    outputs_at: int
    inputs: List[int]
    """Which are shown."""
    outputs: List[int]
    width: int
    height: int

    @classmethod
    def of(cls, sequence: PicturedSequence, block: List[_Row], rows: List[List[_Row]],
           columns: int, min_side: int) -> '_Layout':
        _, height, width = sequence.frame_shape
        factor = enlargement(height, width, min_side)
        cell = height * factor + GAP, width * factor + GAP
        text = max(12, min(18, cell[1] // 6))
        labels = max(text_width(row.label, text) for block in rows for row in block)
        inputs, outputs = (every_kth(len(sequence.inputs), columns, from_end=True),
                           every_kth(sequence.num_outputs, columns))
        title = round(1.8 * text) if sequence.name else 0
        inputs_at = MARGIN + text_width('input', text) + LABEL_GAP
        outputs_at = inputs_at + len(inputs) * cell[1] + 3 * LABEL_GAP + labels
        width = max(outputs_at + len(outputs) * cell[1] - GAP,
                    MARGIN + text_width(sequence.name, round(TITLE * text))) + MARGIN
        return cls(factor, cell, text, title, inputs_at, outputs_at, inputs, outputs, width,
                   title + round(1.5 * text) + len(block) * cell[0] - GAP)


def every_kth(steps: int, most: int, from_end: bool = False) -> List[int]:
    """At most ``most`` of the first ``steps`` numbers, evenly: from the first, or to the last."""
    every = max(1, -(-steps // most))
    return sorted(range(steps - 1, -1, -every)) if from_end else list(range(0, steps, every))


def _draw_block(page: Image.Image, top: int, sequence: PicturedSequence, rows: List[_Row],
                layout: _Layout, colours: DifferenceColours) -> None:
    text = layout.text
    write(page, sequence.name, (MARGIN, top), round(TITLE * text), INK)
    numbers = top + layout.title + text / 2
    first = top + layout.title + round(1.5 * text)
    height, width = layout.cell
    middle = (height - GAP) / 2

    write(page, 'input', (layout.inputs_at - LABEL_GAP, first + middle), text, FAINT, 'rm')
    for column, step in enumerate(layout.inputs):
        left = layout.inputs_at + column * width
        write(page, str(step + 1), (left + (width - GAP) / 2, numbers), text, FAINT, 'mm')
        paste(page, frame_pixels(sequence.inputs[step]), (left, first), layout.factor)

    line = layout.inputs_at + len(layout.inputs) * width + LABEL_GAP - GAP // 2
    ImageDraw.Draw(page).line((line, first, line, top + layout.height - 1), EDGE)
    for column, step in enumerate(layout.outputs):
        place = layout.outputs_at + column * width + (width - GAP) / 2, numbers
        write(page, f'T{step + 1}', place, text, MARK, 'mm')
    for number, row in enumerate(rows):
        down = first + number * height
        colour = FAINT if row.less_truth or row.label == 'truth' else MARK
        write(page, row.label, (layout.outputs_at - LABEL_GAP, down + middle), text, colour, 'rm')
        for column, step in enumerate(layout.outputs):
            pixels = _pixels(row, sequence, step, colours)
            if pixels is not None:
                paste(page, pixels, (layout.outputs_at + column * width, down), layout.factor)


def _pixels(row: _Row, sequence: PicturedSequence, step: int,
            colours: DifferenceColours) -> Optional[np.ndarray]:
    frame, truth = frame_of(row.frames, step), frame_of(sequence.truth, step)
    if frame is None:
        return None
    if not row.less_truth:
        return frame_pixels(frame)
    return None if truth is None else colours.pixels(frame, truth)
