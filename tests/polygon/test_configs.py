"""Every config of polygons builds, trains two iterations and tests, on data made for it."""
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from cbm_plugin.registry import MODELS
from cbm_plugin.synthetic.shapes import make_shapes

from ..tiny_run import ROOT

CONFIGS = sorted((ROOT / 'configs' / 'polygon').glob('**/*.py'))
# those of other depths differ from these in one line
TRAINED = [path for path in CONFIGS if path.parent.name == 'polygon' or '15_' in path.name]


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO-format file, which configs for real data are given."""
    return make_shapes(str(tmp_path_factory.mktemp('shapes')), 'train', 3, 0, 96)


@pytest.fixture(scope='module')
def cityscapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image with two cars in each split."""
    root = tmp_path_factory.mktemp('cityscapes')
    cars = [dict(label='car', polygon=[[x, 10], [x + 30, 12], [x + 20, 40], [x + 2, 35]])
            for x in (5, 50)]
    for split in ('train', 'val'):
        annotations, images = (root / kind / split / 'aachen' for kind in ('gtFine', 'leftImg8bit'))
        annotations.mkdir(parents=True)
        images.mkdir(parents=True)
        (annotations / 'aachen_0_0_gtFine_polygons.json').write_text(
            json.dumps(dict(imgWidth=96, imgHeight=48, objects=cars)))
        noise = np.random.default_rng(0).integers(0, 256, (48, 96, 3), dtype=np.uint8)
        cv2.imwrite(str(images / 'aachen_0_0_leftImg8bit.png'), noise)
    return root


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_a_config_trains_two_iterations_and_tests(path: Path, shapes: Path, cityscapes: Path,
                                             tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    if path.parent.name == 'cityscapes':
        monkeypatch.setenv('DATA_ROOT', str(cityscapes))
    monkeypatch.setenv('TRAIN_ANN', str(shapes))
    monkeypatch.setenv('TEST_ANN', str(shapes))
    monkeypatch.setenv('IMAGES', str(shapes.parent))
    cfg = Config.fromfile(path)
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = cfg.visualizer.name = path.stem
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=1, num_workers=0, persistent_workers=False)
        loader.dataset.update(indices=2)
        if loader.dataset.get('cities'):
            loader.dataset.update(cities=['aachen'])
        if loader.dataset.type == 'SyntheticShapes':
            loader.dataset.update(data_root=str(tmp_path / 'data'), num_images=3)
    cfg.train_cfg.max_epochs = 1
    for scheduler in cfg.param_scheduler:
        scheduler.total_steps = 1
    if cfg.model.backbone.type == 'PolygonVGG':  # takes seconds a crop
        cfg.model.backbone = dict(type='SmallTrunk', channels=(4, 4, 4, 4))
    widths = cfg.model.rnn.hidden_channels
    cfg.model.rnn.hidden_channels = [4] * len(widths)
    if cfg.model.head.type == 'LSTMVertexHead':
        cfg.model.head.hidden_channels = 8
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    assert 0 <= runner.test()['polygon/miou_instances'] <= 1


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_builds_and_says_the_parameters_that_its_stack_has(path: Path) -> None:
    init_default_scope('mmaction')
    cfg = Config.fromfile(path)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    said = re.search(r'([0-9.]+)M parameters', path.read_text())
    if path.parent.name == 'cityscapes':
        assert said is not None
        assert float(said[1]) == round(sum(p.numel() for p in model.rnn.parameters()) / 1e6, 2)
