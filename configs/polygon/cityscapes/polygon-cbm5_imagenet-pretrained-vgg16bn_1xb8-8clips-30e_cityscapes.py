"""5 CBM layers, 1.13M parameters; Cityscapes. Published IoU: 63.1."""
_base_ = 'polygon-cbm15_imagenet-pretrained-vgg16bn_1xb8-8clips-30e_cityscapes.py'

model = dict(rnn=dict(hidden_channels=[128, 128, 64, 32, 8]))
