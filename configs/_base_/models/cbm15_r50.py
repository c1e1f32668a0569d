"""15 CBM layers, the published ones, on ResNet-50 in place of VGG19-BN, at 224 pixels."""
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(
        type='SequencePreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        type='ResNet', depth=50, norm_eval=False,
        pretrained='https://download.pytorch.org/models/resnet50-11ad3fa6.pth'),
    neck=dict(
        type='RecurrentNeck',
        in_channels=2048,
        hidden_channels=[512] * 15,
        variant='backbone',
        dropout_ratio=0.2),
    cls_head=dict(
        type='HiddenLayerHead', num_classes=101, in_channels=512, dropout_ratio=(0.2, 0.5)))
