"""model-index.yml and what it imports: configs that exist, figures that README states."""
import re
from typing import List

import pytest
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

import cbm_plugin.recognition  # noqa: F401  (registers everything)
from cbm_plugin.registry import MODELS

from .tiny_run import ROOT

INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text())
FILES = [yaml.safe_load((ROOT / name).read_text()) for name in INDEX['Import']]
ENTRIES = [model for file in FILES for model in file['Models']]
by_name = pytest.mark.parametrize('model', ENTRIES, ids=lambda model: model['Name'])


def readme_figures(config: str) -> List[str]:
    """``mean +- std`` of a config's row; a row may shorten the middle of the name to dots."""
    rows = re.findall(r'^\|[^|]*`.*\d \+- \d.*$', (ROOT / 'README.md').read_text(), re.MULTILINE)
    names = {re.search(r'`([^`]+)`', row)[1].replace('.py', ''): row for row in rows}
    start, = (name for name in names if re.fullmatch(
        re.escape(name).replace(r'\.\.\.', '.*'), config))
    return re.findall(r'([\d.]+) \+- ([\d.]+)', names[start])


@by_name
def test_every_config_of_the_index_exists_and_is_of_its_name(model: dict) -> None:
    assert (ROOT / model['Config']).is_file()
    assert model['Config'].endswith(f"/{model['Name']}.py")


@by_name
def test_every_figure_of_the_index_is_the_readmes(model: dict) -> None:
    result, = model['Results']
    figures = [str(value) for value in result['Metrics'].values()]
    assert figures == [value for pair in readme_figures(model['Name']) for value in pair]
    assert model['Metadata']['Origin'] == 'measured' and model['Metadata']['Seeds'] == 3


@by_name
def test_size_batch_and_epochs_of_the_index_are_the_configs(model: dict) -> None:
    cfg = Config.fromfile(ROOT / model['Config'])
    init_default_scope('mmaction')
    built = MODELS.build(cfg.model)
    found = model['Metadata']
    assert found['Parameters'] == sum(p.numel() for p in built.parameters())
    assert found['Batch Size'] == cfg.train_dataloader.batch_size
    assert found['Epochs'] == cfg.train_cfg.max_epochs


def test_every_model_belongs_to_a_collection_with_its_paper() -> None:
    collections = {made['Name']: made for file in FILES for made in file['Collections']}
    for model in ENTRIES:
        assert (ROOT / collections[model['In Collection']]['README']).is_file()
        assert collections[model['In Collection']]['Paper']['URL'].startswith('https://arxiv.org/')
