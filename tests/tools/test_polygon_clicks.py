"""polygon_clicks.py: an untrained model's outlines are clicked on, and the table is of them."""
import json
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import cbm_plugin.polygon  # noqa: F401  (registers everything)
from cbm_plugin.registry import MODELS

from ..polygon.coco_folder import make

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'analysis_tools'))

import polygon_clicks as tool  # noqa: E402

CONFIG = """
default_scope = 'mmaction'
model = dict(
    type='PolygonRNN', backbone=dict(type='SmallTrunk', channels=(4, 4, 6, 6)),
    rnn=dict(hidden_channels=[6, 4], layer=dict(type='CBM', norm=None)),
    head=dict(type='MapVertexHead'), feature_channels=6, grid_size=14, cells_per_feature=2,
    test_cfg=dict(max_vertices=12))
test_dataloader = dict(dataset=dict(
    type='CocoPolygons', ann_file='{folder}/annotations.json', data_prefix=dict(img='{folder}'),
    test_mode=True, pipeline=[
        dict(type='LoadObjectImage'), dict(type='CropObject', size=56),
        dict(type='PackPolygonInputs')]))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp('folder')
    make(made)
    (made / 'polygon.py').write_text(CONFIG.replace('{folder}', made.as_posix()))
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(made / 'polygon.py').model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), made / 'polygon.pth')
    return made


def run(folder: Path, *options: str) -> None:
    tool.main([str(folder / 'polygon.py'), str(folder / 'polygon.pth'), '--device', 'cpu',
               *options])


def test_the_table_sums_up_the_clicks_on_every_outline(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run(folder, '--thresholds', '1', '3', '--ious', '0.3', '1', '--json', str(tmp_path / 'c.json'))
    report = json.loads((tmp_path / 'c.json').read_text())
    assert [row['threshold'] for row in report['rows']] == [1, 3]
    for row in report['rows']:
        ious = report['ious_after_clicks'][f'{row["threshold"]:g}']
        assert len(ious) == report['outlines'] > 1
        assert row['iou_before'] == pytest.approx(sum(v[0] for v in ious) / len(ious))
        assert row['iou_after'] == pytest.approx(sum(v[-1] for v in ious) / len(ious))
        assert row['clicks_1'] == pytest.approx(sum(len(v) - 1 for v in ious) / len(ious))
        assert row['reached_0.3'] == sum(max(v) >= 0.3 for v in ious) / len(ious)
    first = [values[0] for values in report['ious_after_clicks']['1']]
    assert first == [values[0] for values in report['ious_after_clicks']['3']]
    assert report['rows'][0]['clicks_1'] > 0
    out = capsys.readouterr().out
    assert f'{report["outlines"]} outlines' in out and '| farther than 3 |' in out


def test_clicks_until_an_iou_are_all_where_it_is_never_reached() -> None:
    assert tool.clicks_until([0.2, 0.6, 0.5, 0.9], 0.55) == 1
    assert tool.clicks_until([0.2, 0.6], 0.1) == 0
    assert tool.clicks_until([0.2, 0.6], 0.9) == 1


@pytest.mark.parametrize('options, message', [
    (['--ious', '80'], 'must lie in (0, 1]'), (['--thresholds', '-1'], 'must not be negative'),
    (['--max-clicks', '0'], '--max-clicks must be at least 1')])
def test_wrong_options_are_refused(folder: Path, capsys: pytest.CaptureFixture, options: list,
                                   message: str) -> None:
    with pytest.raises(SystemExit):
        run(folder, *options)
    assert message in capsys.readouterr().err


def test_a_missing_checkpoint_is_told_in_one_line(
        folder: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        tool.main([str(folder / 'polygon.py'), str(folder / 'none.pth'), '--device', 'cpu'])
    assert 'there is no checkpoint' in capsys.readouterr().err
