"""10 ConvLSTM layers, 7.07M parameters; Cityscapes. Published IoU: 59.3."""
_base_ = 'polygon-cbm15_imagenet-pretrained-vgg16bn_1xb8-8clips-30e_cityscapes.py'

model = dict(rnn=dict(hidden_channels=[128] * 5 + [64] * 3 + [32, 8], layer=dict(type='ConvLSTM')))
