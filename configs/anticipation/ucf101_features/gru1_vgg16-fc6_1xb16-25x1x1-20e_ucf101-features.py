"""One GRU layer in place of 15 CBM layers."""
_base_ = 'cbm15_vgg16-fc6_1xb16-25x1x1-20e_ucf101-features.py'

model = dict(
    neck=dict(
        hidden_channels=[_base_.width], layer=dict(_delete_=True, type='GRU')))
