"""The tool draws what the pipeline hands over: outline, clips, replaced samples."""
import sys
from pathlib import Path
from typing import List

import cv2
import numpy as np
import pytest
import torch

from cbm_plugin.overlap import ClipPlan
from cbm_plugin.polygon import PolygonDataSample, VertexGrid
from cbm_plugin.synthetic.shapes import make_shapes

from ..tiny_run import ROOT

sys.path.insert(0, str(ROOT / 'tools/visualizations'))

import browse_polygons  # noqa: E402

CONFIG = next((ROOT / 'configs/polygon').glob('*_coco-folder.py'))


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> List[str]:
    annotations = make_shapes(str(tmp_path / 'shapes'), 'train', 2, 0, 96)
    monkeypatch.setenv('TRAIN_ANN', str(annotations))
    monkeypatch.setenv('TEST_ANN', str(annotations))
    monkeypatch.setenv('IMAGES', str(annotations.parent))
    return [str(CONFIG), '--out', str(tmp_path / 'drawn'), '--number', '3']


@pytest.mark.parametrize('split', ['train', 'val'])
def test_it_writes_as_many_pictures_as_asked_for_and_the_same_ones_again(
        arguments: List[str], split: str, tmp_path: Path) -> None:
    browse_polygons.main([*arguments, '--split', split])
    first = {path.name: path.read_bytes() for path in (tmp_path / 'drawn').glob('*.png')}
    browse_polygons.main([*arguments, '--split', split])
    assert len(first) == 3 and all(name.startswith(split) for name in first)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / 'drawn').glob('*.png')}


def test_no_pictures_are_refused(arguments: List[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        browse_polygons.main([*arguments, '--number', '0'])
    assert '--number is 0' in capsys.readouterr().err


def test_the_outline_goes_through_the_centres_of_its_cells_and_each_clip_has_a_bar() -> None:
    sample = PolygonDataSample(metainfo=dict(category=0))
    sample.vertices = torch.tensor([9, 14, 54, 49])
    sample.clip_plan = ClipPlan(4, ((0, 2), (1, 4)))
    drawn = browse_polygons.picture(np.zeros((32, 32, 3), np.uint8), sample, VertexGrid(8), ['a'])
    plain = PolygonDataSample(metainfo=dict(category=0, parts=[], crop=(0, 0, 1, 1)))
    without = browse_polygons.picture(np.zeros((32, 32, 3), np.uint8), plain, VertexGrid(8), ['a'])
    assert len(drawn) > len(without)
    side, top = browse_polygons.SIDE, len(without) - browse_polygons.SIDE
    centre = int(1.5 * side / 8)
    for y, x in ((centre, side // 2), (side // 2, centre), (side - centre, side // 2)):
        assert drawn[top + y - 3:top + y + 4, x - 3:x + 4].max() > 100  # an edge lies here
    bars = drawn[len(without):]
    assert (bars[8] != 255).any(axis=-1).mean() == pytest.approx(1 / 2, abs=0.02)
    assert (bars[8 + browse_polygons.BAR] != 255).any(axis=-1).mean() == pytest.approx(3 / 4,
                                                                                      abs=0.02)


def test_jittered_vertices_are_drawn_where_the_model_sees_them() -> None:
    sample = PolygonDataSample(metainfo=dict(category=0))
    sample.vertices, sample.input_vertices = torch.tensor([9, 14, 54]), torch.tensor([9, 14, 62])
    drawn = browse_polygons.picture(np.zeros((32, 32, 3), np.uint8), sample, VertexGrid(8), ['a'])
    top = 2 * browse_polygons.BAR
    x, y = (int(value * browse_polygons.SIDE) for value in VertexGrid(8).decode(np.array([62]))[0])
    assert tuple(drawn[top + y, x]) == browse_polygons.RED
    assert cv2.imencode('.png', drawn)[0]
