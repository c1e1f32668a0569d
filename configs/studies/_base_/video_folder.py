"""15 CBM layers on what moves in a folder of videos, on maps of one size, whatever the depth."""
_base_ = '../../recognition/cbm15_scratch_1xb16-8to12x3x2-30e_video-folder-motion.py'

channels = 16
model = dict(
    backbone=dict(channels=(channels, channels, channels), strides=(2, 2, 2)),  # maps of 8x8
    neck=dict(pool_after=None))
train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0, persistent_workers=False)
# of every beginning by its last frame; of the whole video by the mean over its frames
test_cfg = dict(type='EarlyRecognitionLoop')
test_evaluator = [_base_.val_evaluator,
                  dict(type='EarlyRecognitionMetric', aggregation='last', topk=(1,))]
default_hooks = dict(checkpoint=dict(interval=10))
