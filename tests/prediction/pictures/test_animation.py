"""An animation shows every step at its time, and when the prediction begins."""
from pathlib import Path
from typing import List

import numpy as np
import pytest
from PIL import Image

from cbm_plugin.prediction.pictures.animation import (
    BLANK,
    MARGIN,
    draw_animation,
    write_animation,
)
from cbm_plugin.prediction.pictures.differences import DifferenceColours
from cbm_plugin.prediction.pictures.drawing import MARK
from cbm_plugin.prediction.pictures.sequence import PicturedSequence

from .sequences import plain, sequence


def panels(page: Image.Image) -> List[tuple]:
    """Colours of the panels from the left, by the row through their middle."""
    row = np.asarray(page.convert('RGB'))[MARGIN + 2 * 23 + 16].tolist()
    colours, start = [], 0
    for x in range(1, len(row) + 1):
        if x == len(row) or row[x] != row[start]:
            if x - start > 40 and row[start] != [255] * 3:
                colours.append(tuple(row[start]))
            start = x
    return colours


def drawn(shown: PicturedSequence) -> List[Image.Image]:
    """Small pages."""
    return draw_animation(shown, min_side=32)


def has(page: Image.Image, colour: tuple) -> bool:
    return bool((np.asarray(page) == colour).all(axis=2).any())


def grey(value: float) -> tuple:
    return (round(255 * value), ) * 3


def test_each_step_shows_truth_prediction_and_difference_side_by_side() -> None:
    pages = drawn(sequence())
    key = DifferenceColours('signed')
    steps = [(grey(truth), grey(prediction),
              tuple(key.pixels(plain([prediction])[0], plain([truth])[0])[0, 0]))
             for truth, prediction in ((0.3, 0.2), (0.4, 0.4), (0.5, 0.7))]
    assert [tuple(panels(page)) for page in pages] == [
        (grey(0.1), BLANK, BLANK), (grey(0.2), BLANK, BLANK), *steps]


def test_red_marks_the_predicted_steps_and_no_other() -> None:
    assert [has(page, MARK) for page in drawn(sequence())] == [False] * 2 + [True] * 3


def test_where_the_truth_ends_its_panel_and_the_difference_are_blank() -> None:
    pages = drawn(sequence(truth=(0.3, ), predictions=dict(a=(0.2, 0.4), b=(0.6, ))))
    assert len(pages) == 4 and len(panels(pages[2])) == 5
    assert panels(pages[3]) == [BLANK, grey(0.4), BLANK, BLANK, BLANK]
    assert panels(drawn(sequence(truth=None))[2]) == [BLANK, grey(0.2)]


@pytest.mark.parametrize('channels', [1, 3])
def test_the_gif_holds_every_step_at_its_speed_within_four_of_255(tmp_path: Path,
                                                                 channels: int) -> None:
    shown = sequence(channels=channels)
    write_animation(tmp_path / 'made' / 'a.gif', shown, fps=10, min_side=32)
    assert [path.name for path in (tmp_path / 'made').iterdir()] == ['a.gif']
    with Image.open(tmp_path / 'made/a.gif') as gif:
        assert gif.n_frames == 5 and gif.info['loop'] == 0
        durations = []
        for step, page in enumerate(drawn(shown)):
            gif.seek(step)
            durations.append(gif.info['duration'])
            apart = np.array(panels(gif), float) - np.array(panels(page), float)
            assert np.abs(apart).max() <= 4
    assert durations == [100] * 4 + [1500]


def test_greys_and_differences_of_a_real_picture_survive_the_256_colours(tmp_path: Path) -> None:
    shown = sequence(inputs=(0.5, ), truth=(0.5, ), predictions=dict(a=(0.5, )), size=(16, 16))
    shown.truth = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 1, 16, 16)
    shown.predictions['a'] = shown.truth[..., ::-1, :].copy()
    write_animation(tmp_path / 'a.gif', shown, min_side=32)
    with Image.open(tmp_path / 'a.gif') as gif:
        gif.seek(1)
        written = np.asarray(gif.convert('RGB')).astype(int)
    apart = np.abs(written - np.asarray(drawn(shown)[1]).astype(int))
    top = MARGIN + 2 * 23  # below the antialiased text, whose reds have no place of their own
    assert apart[top:top + 32].max() <= 4


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'a.gif').write_text('the old one')
    with pytest.raises(ValueError, match='fps is 0'):
        write_animation(tmp_path / 'a.gif', sequence(), fps=0)
    with pytest.raises(ValueError, match='min_side is 0'):
        write_animation(tmp_path / 'a.gif', sequence(), min_side=0)
    with pytest.raises(ValueError, match='b.png must end with .gif'):
        write_animation(tmp_path / 'b.png', sequence())
    assert [path.read_text() for path in tmp_path.iterdir()] == ['the old one']
