"""What the README and the docs show can be typed in."""
import re
from pathlib import Path
from typing import List

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from cbm_plugin.registry import MODELS

from .tiny import sample, sgd
from .tiny_run import ROOT


def blocks(page: str) -> List[str]:
    return re.findall(r'```python\n(.*?)```', (ROOT / page).read_text(), re.DOTALL)


def test_the_swapped_config_of_the_readme_trains(tmp_path: Path) -> None:
    swap, = (block for block in blocks('README.md') if '_base_' in block)
    (tmp_path / 'swapped.py').write_text(swap)
    cfg = Config.fromfile(tmp_path / 'swapped.py')
    cfg.model.backbone.pretrained = None  # no download in a test
    cfg.model.neck.hidden_channels = [8] * 15  # the shape of it, in seconds
    cfg.model.cls_head.in_channels = 8
    init_default_scope('mmaction')
    model = MODELS.build(cfg.model)
    frames = torch.randint(0, 256, (2, 3, 3, 64, 64), dtype=torch.uint8)
    data = dict(inputs=list(frames), data_samples=[sample(0), sample(399)])
    log = model.train_step(data, sgd(model))
    assert torch.isfinite(log['loss'])


def test_the_swapped_config_keeps_the_rest_of_its_base(tmp_path: Path) -> None:
    swap, = (block for block in blocks('README.md') if '_base_' in block)
    (tmp_path / 'swapped.py').write_text(swap)
    cfg = Config.fromfile(tmp_path / 'swapped.py')
    assert cfg.model.backbone.type == 'ResNet' and cfg.model.backbone.depth == 50
    assert cfg.model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert cfg.train_dataloader.dataset.type == 'VideoDataset'


def test_the_layers_of_the_readme_run_without_openmmlab() -> None:
    alone, = (block for block in blocks('README.md') if 'DeepRNN' in block)
    shapes: dict = {}
    with torch.no_grad():
        exec(alone, shapes)
    assert shapes['y'].shape == (2, 7, 64, 4, 4) and shapes['y_t'].shape == (2, 64, 4, 4)


def test_the_unit_of_ones_own_of_the_docs_gates_a_cbm() -> None:
    own, = (block for block in blocks('docs/layers.md') if 'class Leaky' in block)
    names: dict = {}
    exec(own, names)
    x = torch.randn(2, 3, 16, 5, 5)
    y, state = names['layer'](x)
    assert y.shape == x.shape and state.shape == (2, 16, 5, 5)


@pytest.mark.parametrize('page', ['README.md', *(f'docs/{path.name}' for path in
                                                sorted((ROOT / 'docs').glob('*.md')))])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    for link in re.findall(r'\]\(([^)#]+)\)', (ROOT / page).read_text()):
        if not link.startswith('http'):
            assert ((ROOT / page).parent / link).exists(), link
