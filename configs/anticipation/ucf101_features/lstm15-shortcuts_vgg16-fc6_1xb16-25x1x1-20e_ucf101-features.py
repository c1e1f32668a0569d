"""15 LSTM layers with the shortcuts of the CBM layers."""
_base_ = 'cbm15_vgg16-fc6_1xb16-25x1x1-20e_ucf101-features.py'

model = dict(neck=dict(layer=dict(_delete_=True, type='LSTM'), shortcuts=5))
