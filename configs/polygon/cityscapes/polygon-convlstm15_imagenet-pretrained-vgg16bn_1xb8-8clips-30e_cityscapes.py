"""15 ConvLSTM layers, 15.71M parameters; Cityscapes. Published IoU: 46.7."""
_base_ = 'polygon-cbm15_imagenet-pretrained-vgg16bn_1xb8-8clips-30e_cityscapes.py'

model = dict(rnn=dict(layer=dict(type='ConvLSTM')))
