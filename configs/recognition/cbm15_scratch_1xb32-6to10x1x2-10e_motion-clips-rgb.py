"""The default: 15 CBM layers, trained with the overlap scheme on motion clips, from scratch."""
_base_ = [
    '../_base_/default_runtime.py', '../_base_/datasets/motion_clips.py',
    '../_base_/schedules/adam_onecycle.py'
]

channels = 16
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(type='SequencePreprocessor', mean=[127.5] * 3, std=[63.75] * 3),
    backbone=dict(type='SmallConvNet', channels=(channels,), strides=(2,)),
    neck=dict(
        type='RecurrentNeck',
        in_channels=channels,
        hidden_channels=[channels] * 15,
        layer=dict(type='CBM', activation='relu', norm='BN', temporal_dropout=0.5),
        shortcuts=5,  # identity shortcut and 2x2 pool every 5 layers
        pool_after=5),
    cls_head=dict(
        type='RecurrentHead', num_classes=8, in_channels=channels, dropout_ratio=0.0, init_std=0.2,
        topk=(1, 2)))

custom_hooks = _base_.custom_hooks + [
    # clips start from a zero state and agree on the frames they share
    dict(type='CoherenceHook', weight=0.8, state='reset')
]

test_after_train = True
