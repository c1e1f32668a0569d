"""15 CBM layers on what moves in a folder of videos (DATA_ROOT, NUM_CLASSES), from scratch."""
_base_ = [
    '../_base_/default_runtime.py', '../_base_/datasets/video_folder_motion.py',
    '../_base_/schedules/adam_onecycle.py'
]

channels = 16
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(type='SequencePreprocessor', mean=[128] * 2, std=[24] * 2),
    backbone=dict(
        type='SmallConvNet', in_channels=_base_.motion_channels, channels=(channels, channels),
        strides=(2, 2)),
    neck=dict(
        type='RecurrentNeck',
        in_channels=channels,
        hidden_channels=[channels] * 15,
        layer=dict(type='CBM', activation='relu', norm='BN', temporal_dropout=0.5),
        shortcuts=5,
        pool_after=5),
    cls_head=dict(
        type='RecurrentHead', num_classes=_base_.num_classes, in_channels=channels,
        dropout_ratio=0.5, init_std=0.2, topk=1))

max_epochs = 30  # 150 videos: an epoch is ten updates
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
optim_wrapper = dict(optimizer=dict(type='AdamW', weight_decay=1e-3))
param_scheduler = [
    dict(type='OneCycleLR', eta_max=4e-3, total_steps=max_epochs, by_epoch=True,
         convert_to_iter_based=True)
]

custom_hooks = _base_.custom_hooks + [
    # later clips go on from the state of the frame before them
    dict(type='CoherenceHook', weight=0, state='carry')
]

# the last weights count: choosing the best epoch on the test list would be choosing the result
default_hooks = dict(checkpoint=dict(save_best=None))
test_after_train = True
