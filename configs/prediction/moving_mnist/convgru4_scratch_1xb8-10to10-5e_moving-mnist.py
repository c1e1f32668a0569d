"""Four ConvGRU layers with as many parameters as the fifteen CBM layers."""
_base_ = 'cbm15_scratch_1xb8-10to10-5e_moving-mnist.py'

model = dict(network=dict(
    hidden_channels=[22] * 4, layer=dict(_delete_=True, type='ConvGRU'), shortcuts=None))
