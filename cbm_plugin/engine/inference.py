"""From a config to what inference needs of it: the model to load weights into, and the pipeline."""
from typing import List

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from ..registry import MODELS


def build_unloaded(cfg: Config) -> nn.Module:
    """The config's model, without fetching pretrained weights: a checkpoint has them all."""
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    model = cfg.model.copy()
    backbone = model.get('backbone', {})
    if backbone.get('pretrained'):
        model['backbone'] = dict(backbone, pretrained=None)
    return MODELS.build(model)


def inference_pipeline(cfg: Config, use: str) -> List[dict]:
    """The transforms of a config's test data.

    Args:
        cfg: the config.
        use: what they are needed for, for the message.

    Raises:
        ValueError: there are none.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset', {})
    while 'dataset' in dataset:  # wrapped, as in a RepeatDataset
        dataset = dataset['dataset']
    pipeline = dataset.get('pipeline') or cfg.get('test_pipeline')
    if not pipeline:
        raise ValueError(f'{cfg.filename or "the config"} has no test_dataloader.dataset.pipeline: '
                         f'{use}')
    return pipeline
