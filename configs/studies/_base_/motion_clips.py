"""15 CBM layers on maps of 8x8, all of one size, whatever the depth; motion clips; 240 updates.

Unlike the default's, the stack has no pooling within: then a network of another depth differs in
its depth alone.
"""
_base_ = '../../recognition/cbm15_scratch_1xb32-6to10x1x2-10e_motion-clips-rgb.py'

channels = 16
model = dict(
    backbone=dict(channels=(channels, channels), strides=(2, 2)),
    neck=dict(pool_after=None))
max_epochs = 6  # of 40 updates
train_cfg = dict(max_epochs=max_epochs, val_interval=2)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=4e-3, total_steps=max_epochs, by_epoch=True,
         convert_to_iter_based=True)
]
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(num_clips=1280))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(num_clips=160))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(num_clips=800))
# of every beginning by its last frame; of the whole video by the mean over its frames
test_cfg = dict(type='EarlyRecognitionLoop')
test_evaluator = [_base_.val_evaluator,
                  dict(type='EarlyRecognitionMetric', aggregation='last', topk=(1,))]
default_hooks = dict(checkpoint=dict(interval=max_epochs, save_best=None))  # the last weights count
