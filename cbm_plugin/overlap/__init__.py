"""Idea 2, the Overlap Coherence Training Scheme: clips, what they share, and how they train."""

from .clipwise import BatchClip, ClipOutput, train_clips
from .coherence import CoherenceSettings, overlap_distance
from .hook import CoherenceHook
from .plan import Clip, ClipPlan
from .sampling import fixed_stride_clips, random_clips, sequence_frames
from .transforms import SampleFixedStrideClips, SampleOverlapClips, SampleSequence
from .wrapper import ClipwiseDistributedDataParallel

__all__ = [
    'BatchClip',
    'Clip',
    'ClipOutput',
    'ClipPlan',
    'ClipwiseDistributedDataParallel',
    'CoherenceHook',
    'CoherenceSettings',
    'SampleFixedStrideClips',
    'SampleOverlapClips',
    'SampleSequence',
    'fixed_stride_clips',
    'overlap_distance',
    'random_clips',
    'sequence_frames',
    'train_clips',
]
