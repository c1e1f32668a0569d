"""The deep baseline: 15 ConvLSTM layers, with a norm of their own, in the CBM stack's place."""
_base_ = 'polygon-cbm15_scratch_1xb16-2clips-3e_synthetic-shapes.py'

model = dict(
    rnn=dict(
        layer=dict(_delete_=True, type='ConvLSTM', norm='BN'),
        statistics='step'))  # the norm stands inside the recurrence: it sees one step at a time
