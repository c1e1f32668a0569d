"""The shallow baseline: one ConvLSTM layer, as wide as the layers of the CBM stack."""
_base_ = 'cbm15_scratch_1xb16-8to12x3x2-30e_video-folder-motion.py'

model = dict(
    neck=dict(
        hidden_channels=[16],
        layer=dict(_delete_=True, type='ConvLSTM', norm='BN'),
        shortcuts=None,
        pool_after=None,
        statistics='step'))  # the norm stands inside the recurrence: it sees one step at a time
