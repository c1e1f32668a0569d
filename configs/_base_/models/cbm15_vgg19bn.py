"""15 CBM layers on VGG19-BN, as published, at 224 pixels."""
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(
        type='SequencePreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        type='MmcvVGG', depth=19,
        pretrained='https://download.pytorch.org/models/vgg19_bn-c79401a0.pth'),
    neck=dict(
        type='RecurrentNeck',
        in_channels=512,
        hidden_channels=[512] * 15,
        variant='backbone',  # tanh, batch norm on R and T, a projection and a 2x2 pool every 5
        dropout_ratio=0.2),
    cls_head=dict(
        type='HiddenLayerHead', num_classes=101, in_channels=512, dropout_ratio=(0.2, 0.5)))
