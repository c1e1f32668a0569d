"""2 CBM layers, 0.20M parameters; Cityscapes. Published IoU: 59.9."""
_base_ = 'polygon-cbm15_imagenet-pretrained-vgg16bn_1xb8-8clips-30e_cityscapes.py'

model = dict(rnn=dict(hidden_channels=[64, 8]))
