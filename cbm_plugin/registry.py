"""MMAction2's registries: what is registered here is found by MMAction2's own tools."""
from mmaction.registry import DATA_SAMPLERS, DATASETS, HOOKS, LOOPS, METRICS, MODELS, TRANSFORMS

__all__ = ['DATASETS', 'DATA_SAMPLERS', 'HOOKS', 'LOOPS', 'METRICS', 'MODELS', 'TRANSFORMS']
