"""15 CBM layers with an identity shortcut around every 5, as in the paper."""
_base_ = 'cbm15_vgg16-fc6_1xb16-25x1x1-20e_ucf101-features.py'

model = dict(neck=dict(shortcuts=5))
