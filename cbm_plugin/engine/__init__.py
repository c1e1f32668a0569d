"""Training that can be repeated and resumed, on MMEngine's runner."""
from .curves import CurvesHook
from .loop import ResumableEpochLoop
from .seeding import SampleIndex, SeededSampler, SeedIterationHook, derive_seed, seed_sample

__all__ = ['CurvesHook', 'ResumableEpochLoop', 'SampleIndex', 'SeedIterationHook', 'SeededSampler',
           'derive_seed', 'seed_sample']
