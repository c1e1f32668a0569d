"""The 17-layer CBM that needs no CNN before it, as published, at 224 pixels."""
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(
        type='SequencePreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(type='NoBackbone'),  # frames go straight to the recurrent layers
    neck=dict(type='StandaloneCBM'),
    cls_head=dict(
        type='HiddenLayerHead', num_classes=101, in_channels=512,
        map_size=7,  # pixels / 32
        dropout_ratio=(0.2, 0.5)))
