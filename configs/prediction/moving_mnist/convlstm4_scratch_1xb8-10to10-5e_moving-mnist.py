"""Four ConvLSTM layers, as OpenSTL's, with as many parameters as the fifteen CBM layers."""
_base_ = 'cbm15_scratch_1xb8-10to10-5e_moving-mnist.py'

model = dict(network=dict(
    hidden_channels=[19] * 4, layer=dict(_delete_=True, type='ConvLSTM'), shortcuts=None))
