"""2 ConvLSTM layers, 0.47M parameters; Cityscapes. Published IoU: 61.4."""
_base_ = 'polygon-cbm15_imagenet-pretrained-vgg16bn_1xb8-8clips-30e_cityscapes.py'

model = dict(rnn=dict(hidden_channels=[64, 8], layer=dict(type='ConvLSTM')))
