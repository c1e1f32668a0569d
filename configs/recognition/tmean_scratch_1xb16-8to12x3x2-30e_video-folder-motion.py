"""The control: the same network with a temporal mean in place of the recurrent stack."""
_base_ = 'cbm15_scratch_1xb16-8to12x3x2-30e_video-folder-motion.py'

model = dict(neck=None)  # the head averages the logits of all frames
