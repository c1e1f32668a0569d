"""Small generated data: what the package trains on when no data set is at hand."""
from .early_cue import early_cue_sequences
from .motion_clips import CLASS_NAMES, make_motion_clips, render_motion_clip

__all__ = ['CLASS_NAMES', 'early_cue_sequences', 'make_motion_clips', 'render_motion_clip']
