"""draw_polygon_results.py: objects of the test data beside what a model makes of them."""
import sys
from pathlib import Path

import cv2
import pytest

from ..tiny_run import ROOT
from .test_polygon_clicks import folder  # noqa: F401  (a fixture: an untrained model and its data)

sys.path.insert(0, str(ROOT / 'tools' / 'visualizations'))

import draw_polygon_results as tool  # noqa: E402


def test_the_sheet_has_so_many_objects_beside_each_other(folder: Path,  # noqa: F811
                                                         tmp_path: Path) -> None:
    sizes = []
    for number, columns in ((1, 1), (2, 2), (2, 1)):
        out = tmp_path / f'{number}_{columns}.png'
        tool.main([str(folder / 'polygon.py'), str(folder / 'polygon.pth'), '--out', str(out),
                   '--number', str(number), '--columns', str(columns), '--cell', '64'])
        sizes.append(cv2.imread(str(out)).shape[:2])
    (height, width), beside, below = sizes
    assert beside == (height, 2 * width) and below == (2 * height, width)


def test_another_models_checkpoint_is_refused_and_nothing_is_written(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:  # noqa: F811
    with pytest.raises(SystemExit):
        tool.main([str(folder / 'polygon.py'), str(folder / 'polygon.pth'), '--out',
                   str(tmp_path / 'a.png'), '--cfg-options', 'model.feature_channels=8'])
    assert 'polygon.pth' in capsys.readouterr().err
    assert not (tmp_path / 'a.png').exists()
