"""The paper's deep baseline: ConvLSTM layers where the 15-layer model has CBM layers."""
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
        layer=dict(type='ConvLSTM'),
        shortcuts=5,  # the skeleton of the CBM stack, so that the layers alone differ
        shortcut='projection',
        pool_after=5,
        statistics='step',
        dropout_ratio=0.2),
    cls_head=dict(
        type='HiddenLayerHead', num_classes=101, in_channels=512, dropout_ratio=(0.2, 0.5)))
