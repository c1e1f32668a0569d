"""A tiny adversarial predictor, its optimizers, its data."""
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate

import cbm_plugin.prediction.data.pack
import cbm_plugin.prediction.network.patch_network
import cbm_plugin.prediction.training.discriminator
import cbm_plugin.prediction.training.losses
import cbm_plugin.prediction.training.preprocessor  # noqa: F401  (registers)
from cbm_plugin.engine.seeding import seed_sample
from cbm_plugin.prediction.data.pack import PackFrames
from cbm_plugin.prediction.training.adversarial import AdversarialPredictor
from cbm_plugin.prediction.training.optim_wrappers import (
    NetworksOptimWrapper,
    NetworksOptimWrapperConstructor,
)

NUM_INPUTS, NUM_FRAMES, SIZE = 2, 4, 8


def predictor_config(random: bool = False, widths: tuple = (4, 8), **options: Any) -> dict:
    """One layer of 4 channels against two convolutions, the second with batch norm; 8x8 frames.

    ``random``: with temporal dropout and batch norm, else without.
    """
    layer = dict(temporal_dropout=0.5, norm='BN') if random else dict(temporal_dropout=0.0)
    return dict(
        network=dict(type='PatchNetwork', hidden_channels=[4], patch=4, variant='prediction',
                     layer=layer),
        discriminator=dict(type='FrameSequenceDiscriminator', num_frames=NUM_FRAMES, size=SIZE,
                           widths=widths),
        losses=[dict(type='FrameMSELoss', weight=4), dict(type='GradientDifferenceLoss')],
        **options)


def tiny_predictor(seed: int = 0, **options: Any) -> AdversarialPredictor:
    torch.manual_seed(seed)
    return AdversarialPredictor(**predictor_config(**options))


def optim_config(wrapper: str = 'OptimWrapper', lr: float = 1.0, **options: Any) -> ConfigDict:
    """A plain optimizer for each: the change of a weight is its gradient."""
    entry = dict(type=wrapper, optimizer=dict(type='SGD', lr=lr), **options)
    return ConfigDict(network=entry, discriminator=entry)


def optim_wrappers(model: torch.nn.Module, **options: Any) -> NetworksOptimWrapper:
    return NetworksOptimWrapperConstructor(optim_config(**options))(model)


class NoiseSequences(torch.utils.data.Dataset):
    """Sequences drawn from NumPy's global generator, which the sampler's index seeds."""

    def __init__(self, number: int = 8) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> dict:
        seed_sample(index)
        frames = np.random.randint(0, 256, (NUM_FRAMES, SIZE, SIZE, 1)).astype(np.uint8)
        return PackFrames()(dict(imgs=list(frames), num_inputs=NUM_INPUTS,
                                 name=f'noise {int(index)}'))


def tiny_batch(seed: int = 0, size: int = 3) -> dict:
    np.random.seed(seed)
    return pseudo_collate([NoiseSequences()[index] for index in range(size)])


def weights(model: torch.nn.Module) -> dict:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
