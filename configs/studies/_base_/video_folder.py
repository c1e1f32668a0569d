"""15 CBM layers on what moves in a folder of videos, on maps of one size, whatever the depth.

Every video is decoded once in a run: reading them takes three quarters of the time otherwise.
"""
_base_ = '../../recognition/cbm15_scratch_1xb16-8to12x3x2-30e_video-folder-motion.py'

channels = 16
model = dict(
    backbone=dict(channels=(channels, channels, channels), strides=(2, 2, 2)),  # maps of 8x8
    neck=dict(pool_after=None))
# a crop of 40% of 80x80 pixels has 51x51, of which the pipeline makes 64x64
train_pipeline = [dict(type='SmallFramesInit', size=80), *_base_.train_pipeline[1:]]
val_pipeline = [
    dict(type='SmallFramesInit', size=64),
    *[step for step in _base_.val_pipeline[1:] if step['type'] != 'Resize']]
in_this_process = dict(num_workers=0, persistent_workers=False)  # where the decoded videos are kept
train_dataloader = dict(**in_this_process, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(**in_this_process, dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
# of every beginning by its last frame; of the whole video by the mean over its frames
test_cfg = dict(type='EarlyRecognitionLoop')
test_evaluator = [_base_.val_evaluator,
                  dict(type='EarlyRecognitionMetric', aggregation='last', topk=(1,))]
default_hooks = dict(checkpoint=dict(interval=10))
