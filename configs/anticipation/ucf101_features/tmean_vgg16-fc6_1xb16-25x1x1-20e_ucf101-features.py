"""The control: the mean of the frames' logits in place of a recurrent stack."""
_base_ = 'cbm15_vgg16-fc6_1xb16-25x1x1-20e_ucf101-features.py'

model = dict(neck=None)
