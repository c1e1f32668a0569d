"""The embedded default of outlines as a data set, and what it asks of a network."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

import cbm_plugin.polygon  # noqa: F401  (registers everything)
from cbm_plugin.polygon.data.synthetic_shapes import SyntheticShapes
from cbm_plugin.polygon.geometry.grid import VertexGrid
from cbm_plugin.registry import DATASETS
from cbm_plugin.synthetic.shape_classes import SHAPE_CLASSES
from cbm_plugin.synthetic.shapes import make_shapes

from ...tiny_run import ROOT

sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))

import polygon_baselines as baselines  # noqa: E402


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('shapes')


def corner(width: float) -> np.ndarray:
    """An L of 100 x 100 pixels."""
    return np.array([(0, 0), (100, 0), (100, width), (width, width), (width, 100), (0, 100)], float)


def test_every_part_is_a_sample_in_its_own_box(root: Path) -> None:
    data = DATASETS.build(dict(type='SyntheticShapes', data_root=str(root), split='val',
                               num_images=8, pipeline=[]))
    annotations = json.loads(make_shapes(root, 'val', 8, 0).read_text())['annotations']
    parts = [part for annotation in annotations for part in annotation['segmentation']]
    assert len(data) == len(parts) and not data.skipped and not data.repaired
    assert data.metainfo['classes'] == SHAPE_CLASSES
    assert len({data.get_data_info(i)['object_id'] for i in range(len(data))}) == 2 * 18
    for i, part in enumerate(parts):
        info, points = data.get_data_info(i), np.reshape(part, (-1, 2))
        assert np.allclose(info['box'], [*points.min(0), *points.max(0)])
        assert Path(info['img_path']).is_file()


def test_splits_lie_beside_each_other_and_are_made_once(root: Path) -> None:
    sizes = [len(SyntheticShapes(str(root), split, 4)) for split in ('train', 'val', 'train')]
    assert sizes[0] == sizes[2]
    assert {path.name for path in root.glob('train*')} == {'train_4x192_seed0_v1'}


@pytest.mark.parametrize('split, num_images', [('train', 1250), ('val', 200), ('test', 200)])
def test_the_config_gives_crops_and_in_training_vertices_with_their_clips(
        root: Path, split: str, num_images: int) -> None:
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/synthetic_shapes.py')
    options = cfg[f'{split}_dataloader'].dataset
    assert (options.split, options.num_images) == (split, num_images)
    options.update(data_root=str(root), num_images=8)
    with DefaultScope.overwrite_default_scope('mmaction'):
        data = DATASETS.build(options)
    for sample in data:
        assert sample['inputs'].shape == (3, cfg.crop_size, cfg.crop_size)
        found = sample['data_samples']
        assert ('vertices' in found) == ('clip_plan' in found) == (split == 'train')
        if split == 'train':
            assert 3 <= len(found.vertices) <= cfg.max_vertices
            assert found.vertices.max() < cfg.grid_size**2
            assert len(found.clip_plan.clips) == 2
            assert found.clip_plan.length == len(found.vertices)


# The baselines.


@pytest.mark.parametrize('draw, iou', [
    (baselines.box, 0.36), (baselines.hull, 0.36 / 0.68)])
def test_the_iou_of_an_l_with_its_box_and_hull_is_the_ratio_of_areas(draw, iou: float) -> None:
    values, vertices = baselines.ious([(0, [corner(20)])], draw, 'test')
    assert values == pytest.approx(iou, abs=0.01)
    assert vertices == (4 if draw is baselines.box else 5)


def test_the_ellipse_fills_pi_quarters_of_its_box() -> None:
    square = baselines.box(corner(20))
    assert baselines.ious([(0, [square])], baselines.ellipse, 'test')[0] == pytest.approx(
        np.pi / 4, abs=0.01)


def test_the_parts_of_an_object_count_together() -> None:
    full, half = baselines.box(corner(20)), corner(50) + 200
    values, vertices = baselines.ious([(0, [full, half])], baselines.box, 'test')
    assert values == pytest.approx((1 + 0.75) / 2, abs=0.01) and len(vertices) == 2


def test_a_finer_grid_is_a_higher_ceiling_and_a_tolerance_a_lower_one(root: Path) -> None:
    objects, _ = baselines.read_objects(str(make_shapes(root, 'val', 8, 0)), None)

    def ceiling(size: int, tolerance: float) -> tuple:
        values, vertices = baselines.ious(
            objects, lambda part: baselines.on_grid(part, VertexGrid(size), 60, tolerance), 'test')
        return values.mean(), vertices.mean()

    exact, coarse, fine = ceiling(28, 0), ceiling(28, 4), ceiling(56, 0)
    assert coarse[0] < exact[0] < fine[0]
    assert coarse[1] < exact[1]


def test_what_is_too_thin_for_the_grid_counts_as_missing() -> None:
    thin = np.array([(0, 0), (100, 100), (100, 101), (0, 1)], float)
    draw = lambda part: baselines.on_grid(part, VertexGrid(4), 60, 0)  # noqa: E731
    assert draw(thin) is None
    assert baselines.ious([(0, [thin])], draw, 'test')[0] == 0


def test_the_tool_prints_a_row_for_each_outline(root: Path, capsys: pytest.CaptureFixture) -> None:
    baselines.main([str(make_shapes(root, 'val', 8, 0)), '--tolerances', '0', '2'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('36 objects, ')
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines[2:]]
    assert rows[0] == ['outline', 'objects', 'classes', *SHAPE_CLASSES, 'vertices', 'most']
    assert [row[0] for row in rows[2:]] == ['box', 'ellipse in the box', 'convex hull',
                                            'grid 28, tolerance 0', 'grid 28, tolerance 2']
    box, hull, ceiling = (float(rows[i][1]) for i in (2, 4, 5))
    assert box < hull < ceiling < 100


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match='error: .*missing.json'):
        baselines.main(['missing.json'])
