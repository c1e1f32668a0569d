"""One wide CBM layer with as many parameters as the fifteen: what depth is worth."""
_base_ = 'cbm15_scratch_1xb8-10to10-5e_moving-mnist.py'

model = dict(network=dict(hidden_channels=[62], shortcuts=None))
