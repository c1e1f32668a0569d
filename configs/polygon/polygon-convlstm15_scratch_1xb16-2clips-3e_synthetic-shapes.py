"""The deep baseline: 15 ConvLSTM layers, with a norm of their own, in the CBM stack's place."""
_base_ = 'polygon-cbm15_scratch_1xb16-2clips-3e_synthetic-shapes.py'

# batch norm inside this recurrence learns as well, but its running statistics fail in evaluation
model = dict(rnn=dict(layer=dict(_delete_=True, type='ConvLSTM', norm='GN')))
