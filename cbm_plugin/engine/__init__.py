"""Training that can be repeated and resumed, on MMEngine's runner."""
from .bfloat16 import Bfloat16OptimWrapper
from .checkpoint_hook import WholeCheckpointHook
from .curves import CurvesHook
from .loop import ResumableEpochLoop
from .memory_hook import SteadyMemoryHook
from .number_guard import NonFiniteLossHook
from .sample_faults import SampleFaultHook, SurvivingSamples
from .seeding import SampleIndex, SeededSampler, SeedIterationHook, derive_seed, seed_sample
from .temporal_dropout_hook import TemporalDropoutHook

__all__ = ['Bfloat16OptimWrapper', 'CurvesHook', 'NonFiniteLossHook', 'ResumableEpochLoop',
           'SampleFaultHook', 'SampleIndex', 'SeedIterationHook', 'SeededSampler',
           'SteadyMemoryHook', 'SurvivingSamples', 'TemporalDropoutHook', 'WholeCheckpointHook',
           'derive_seed', 'seed_sample']
