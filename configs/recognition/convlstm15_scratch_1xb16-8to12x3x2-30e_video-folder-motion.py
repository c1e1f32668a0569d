"""The deep baseline: 15 ConvLSTM layers, with a norm of their own, in the CBM stack's skeleton."""
_base_ = 'cbm15_scratch_1xb16-8to12x3x2-30e_video-folder-motion.py'

model = dict(
    neck=dict(
        layer=dict(_delete_=True, type='ConvLSTM', norm='BN'),
        statistics='step'))  # the norm stands inside the recurrence: it sees one step at a time
