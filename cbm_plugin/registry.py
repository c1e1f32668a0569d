"""MMAction2's registries: what is registered here is found by MMAction2's own tools."""
from mmaction.registry import (DATA_SAMPLERS, DATASETS, HOOKS, LOOPS, METRICS, MODEL_WRAPPERS,
                               MODELS, OPTIM_WRAPPERS, TRANSFORMS)

__all__ = ['DATASETS', 'DATA_SAMPLERS', 'HOOKS', 'LOOPS', 'METRICS', 'MODELS', 'MODEL_WRAPPERS',
           'OPTIM_WRAPPERS', 'TRANSFORMS']
