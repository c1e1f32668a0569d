"""A folder of videos of yours, grey and small:  DATA_ROOT=DIR python tools/train.py ..."""
_base_ = [
    '../_base_/default_runtime.py', '../_base_/datasets/video_folder_frames.py',
    '../_base_/models/predictor_light.py', '../_base_/schedules/adam_onecycle.py'
]
custom_imports = dict(imports=['cbm_plugin.prediction'])

max_epochs = 80  # 1,520 updates with 150 videos, each seen once in an epoch
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=4e-3, total_steps=max_epochs, by_epoch=True,
         convert_to_iter_based=True)
]
model = dict(network=dict(residual=True))  # most of a real picture stays as it is
train_dataloader = dict(batch_size=8)
custom_hooks = [
    dict(type='SeedIterationHook'),  # draws depend on (seed, iteration, rank): exact resume
    dict(type='SampleFaultHook', max_share=0.1),  # broken videos are named, counted, replaced
    dict(type='PredictionPicturesHook'),  # strips and animations of the same sequences
    dict(type='CurvesHook'),
]
default_hooks = dict(checkpoint=dict(interval=10, save_best=None))  # the last weights count
test_after_train = True
