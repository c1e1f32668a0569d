"""15 CBM layers on vectors, trained on whole sequences of features (DATA_ROOT)."""
_base_ = [
    '../../_base_/default_runtime.py', '../../_base_/schedules/adam_onecycle.py',
    '../../_base_/datasets/ucf101_features.py'
]

width = 256
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(type='SequencePreprocessor'),
    backbone=dict(type='FeatureIdentity', in_channels=_base_.feature_channels),
    neck=dict(
        type='RecurrentNeck',
        in_channels=_base_.feature_channels,
        hidden_channels=[width] * 15,
        # 16 videos of 25 frames that look alike: too little for batch statistics
        layer=dict(type='CBM', kernel_size=None, norm='LN')),
    cls_head=dict(
        type='RecurrentHead', num_classes=_base_.num_classes, in_channels=width,
        dropout_ratio=0.5, topk=1))

max_epochs = 20  # 56 videos: an epoch is four updates
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='OneCycleLR', eta_max=1e-3, total_steps=max_epochs, by_epoch=True,
         convert_to_iter_based=True)
]
# the last weights count: choosing the best epoch on the test videos would be choosing the result
default_hooks = dict(checkpoint=dict(interval=max_epochs, save_best=None))
# one forward pass gives the scores of every frame, and so the whole early-recognition curve
test_cfg = dict(type='EarlyRecognitionLoop')
auto_scale_lr = dict(base_batch_size=16)
test_after_train = True
