"""Parameters of a model, and what one test video costs it."""
from pathlib import Path
from typing import NamedTuple, Optional

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings

import cbm_plugin.recognition  # noqa: F401  (registers our models)
from cbm_plugin.layers.recurrent import RecurrentLayer
from cbm_plugin.registry import DATASETS, MODELS


class Cost(NamedTuple):
    """``macs``: multiply-adds of the test of one video, whose packed input is ``shape``.

    MMAction2's tables call them FLOPs. None, with the ``reason``, where the data is not at hand.
    """
    parameters: int
    macs: Optional[int] = None
    shape: str = ''
    reason: str = ''


def cost_of(cfg: Config) -> Cost:
    """Build the model of a config, and test it on the first video of its test data."""
    init_default_scope('mmaction')
    if cfg.get('custom_imports'):
        import_modules_from_strings(**cfg.custom_imports)
    model = MODELS.build(cfg.model).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    dataset = cfg.test_dataloader.dataset
    for place in (dataset.get('ann_file'), dataset.get('data_root')):
        if place and not Path(place).exists():  # not to be generated for this
            return Cost(parameters, reason=f'{place} is not here, FLOPs need a test video')
    try:
        data = pseudo_collate([DATASETS.build(dataset)[0]])
        macs = count_macs(model, data)
    except Exception as error:  # of data sets, decoders, models: the table is worth more
        return Cost(parameters, reason=f'FLOPs: {type(error).__name__}: {error}')
    return Cost(parameters, macs, 'x'.join(map(str, data['inputs'][0].shape)))


def count_macs(model: torch.nn.Module, data: dict) -> int:
    """Multiply-adds of convolutions and matrix products in ``test_step``, which are nearly all.

    Leaves the recurrent layers of ``model`` on their naive twins.
    """
    from torch.utils.flop_counter import FlopCounterMode  # PyTorch 2.1
    for layer in model.modules():
        if isinstance(layer, RecurrentLayer):
            layer.twin = 'naive'  # the fast one calls operators that the counter does not know
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.test_step(data)
    return counter.get_total_flops() // 2
