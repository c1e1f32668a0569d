"""Every config of polygons builds, trains two iterations and tests, on data made for it."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from cbm_plugin.synthetic.shapes import make_shapes

from ..tiny_run import ROOT

CONFIGS = sorted((ROOT / 'configs' / 'polygon').glob('**/*.py'))


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO-format file, which configs for real data are given."""
    return make_shapes(str(tmp_path_factory.mktemp('shapes')), 'train', 3, 0, 96)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_trains_two_iterations_and_tests(path: Path, shapes: Path, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TRAIN_ANN', str(shapes))
    monkeypatch.setenv('TEST_ANN', str(shapes))
    monkeypatch.setenv('IMAGES', str(shapes.parent))
    cfg = Config.fromfile(path)
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = cfg.visualizer.name = path.stem
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(indices=4)
        if loader.dataset.type == 'SyntheticShapes':
            loader.dataset.update(data_root=str(tmp_path / 'data'), num_images=3)
    cfg.train_cfg.max_epochs = 1
    for scheduler in cfg.param_scheduler:
        scheduler.total_steps = 1
    cfg.model.backbone.pop('pretrained', None)
    widths = cfg.model.rnn.hidden_channels
    cfg.model.rnn.hidden_channels = [4] * len(widths)
    if cfg.model.head.type == 'LSTMVertexHead':
        cfg.model.head.hidden_channels = 8
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    assert 0 <= runner.test()['polygon/miou_instances'] <= 1
