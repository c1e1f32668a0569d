"""MCnet with 5 CBM layers: 18.2M parameters, 8.8M of them in the core."""
_base_ = 'mcnet-cbm15_scratch_1xb8-10to10-520e_kth.py'

model = dict(network=dict(hidden_channels=[256] * 5))
