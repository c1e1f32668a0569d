"""A strip shows every frame in the column of its time and the row of its kind."""
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
import pytest
from PIL import Image

from cbm_plugin.prediction.pictures.differences import DifferenceColours
from cbm_plugin.prediction.pictures.sequence import PicturedSequence
from cbm_plugin.prediction.pictures.strips import draw_strips, every_kth, write_strips

from .sequences import plain, sequence

Colour = Tuple[int, int, int]


def found(page: Image.Image, height: int = 16, width: int = 24) -> List[Tuple[int, int, Colour]]:
    """All plain cells of this size, but white ones: (y, x, colour), in reading order."""
    pixels = np.asarray(page).astype(np.int32)
    packed = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    inner = packed[1:-1, 1:-1]
    corners = ((inner != packed[:-2, 1:-1]) & (inner != packed[1:-1, :-2])
               & (inner == packed[2:, 2:]) & (inner != 0xffffff))
    return [(int(y) + 1, int(x) + 1, tuple(pixels[y + 1, x + 1]))
            for y, x in zip(*np.nonzero(corners))
            if (packed[y + 1:y + 1 + height, x + 1:x + 1 + width] == inner[y, x]).all()]


def drawn(*sequences: PicturedSequence, **options: object) -> Image.Image:
    """A small page of large enough cells."""
    return draw_strips(sequences, min_side=16, **options)


def by_rows(cells: List[Tuple[int, int, Colour]]) -> Dict[int, Dict[int, Colour]]:
    """Colours by row and column."""
    rows: Dict[int, Dict[int, Colour]] = {}
    for y, x, colour in cells:
        rows.setdefault(y, {})[x] = colour
    return rows


def grey(value: float) -> Colour:
    return (round(255 * value), ) * 3


def apart(prediction: float, truth: float) -> Colour:
    return tuple(DifferenceColours('signed').pixels(plain([prediction])[0],
                                                    plain([truth])[0])[0, 0])


def test_inputs_are_left_and_predictions_lie_below_the_truth_of_the_same_time() -> None:
    rows = by_rows(found(drawn(sequence())))
    first, second, third = (rows[y] for y in sorted(rows))
    assert list(first.values()) == [grey(v) for v in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert list(second.values()) == [grey(v) for v in (0.2, 0.4, 0.7)]
    assert list(third.values()) == [apart(0.2, 0.3), apart(0.4, 0.4), apart(0.7, 0.5)]
    assert list(second) == list(third) == list(first)[2:]


def test_every_model_has_its_rows_and_a_truth_that_ends_ends_its_differences() -> None:
    both = sequence(truth=(0.3, 0.4), predictions={'CBM': (0.2, 0.4, 0.7), 'LSTM': (0.9, 0.8)})
    rows = [list(row.values()) for _, row in sorted(by_rows(found(drawn(both))).items())]
    assert [len(row) for row in rows] == [2 + 2, 3, 2, 2, 2]
    assert rows[3] == [grey(0.9), grey(0.8)] and rows[4] == [apart(0.9, 0.3), apart(0.8, 0.4)]


def test_without_truth_there_are_predictions_alone_and_no_key() -> None:
    page, known = drawn(sequence(truth=None)), drawn(sequence())
    rows = [list(row.values()) for _, row in sorted(by_rows(found(page)).items())]
    assert rows == [[grey(v) for v in (0.1, 0.2, 0.2, 0.4, 0.7)]]
    assert page.height < known.height - 2 * 16


def test_sequences_lie_below_each_other_in_the_same_columns() -> None:
    one, other = sequence(), sequence(inputs=(0.6, 0.7), truth=(0.8, 0.9, 1.0 - 1 / 255))
    rows = by_rows(found(drawn(one, other)))
    tops = sorted(rows)
    assert len(tops) == 6 and list(rows[tops[3]]) == list(rows[tops[0]])
    assert list(rows[tops[3]].values())[:2] == [grey(0.6), grey(0.7)]
    assert list(rows[tops[3]]) == list(rows[tops[0]])


def test_colour_frames_keep_their_colours() -> None:
    frame = plain([0.5], channels=3) * np.array([1, 0.4, 0]).reshape(1, 3, 1, 1)
    strip = sequence(channels=3)
    strip.inputs = frame.astype(np.float32)
    assert found(drawn(strip))[0][2] == (128, 51, 0)


def test_of_many_steps_every_kth_is_shown_from_the_first_prediction_and_to_the_last_input() -> None:
    assert every_kth(20, 30) == list(range(20)) and every_kth(1, 1) == [0]
    assert every_kth(20, 7) == [0, 3, 6, 9, 12, 15, 18]
    assert every_kth(20, 7, from_end=True) == [1, 4, 7, 10, 13, 16, 19]
    values = tuple(np.arange(7) / 10)
    page = drawn(sequence(inputs=values, truth=values, predictions=dict(a=values)), columns=3)
    shown = next(iter(by_rows(found(page)).values()))
    assert list(shown.values()) == [grey(v) for v in (0, 0.3, 0.6, 0, 0.3, 0.6)]


def test_texts_are_written_within_the_page() -> None:
    name = 'a very long name of a video that nobody would give to such a short sequence ' * 2
    page = np.asarray(drawn(sequence(inputs=(0.1, ), truth=(0.3, ), name=name.strip(),
                                            predictions={'a model of a long name': (0.2, )})))
    edge = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
    assert (edge == 255).all()


def test_a_file_is_written_whole_and_is_the_picture(tmp_path: Path) -> None:
    write_strips(tmp_path / 'made' / 'strips.png', [sequence()], min_side=32)
    assert [path.name for path in (tmp_path / 'made').iterdir()] == ['strips.png']
    written = np.asarray(Image.open(tmp_path / 'made/strips.png'))
    assert np.array_equal(written, np.asarray(draw_strips([sequence()], min_side=32)))


@pytest.mark.parametrize('number, options', [(0, {}), (1, dict(columns=0)), (1, dict(min_side=0))])
def test_strips_of_nothing_are_refused(number: int, options: dict) -> None:
    with pytest.raises(ValueError, match='strips need a sequence, a column and a pixel'):
        draw_strips([sequence()] * number, **options)
