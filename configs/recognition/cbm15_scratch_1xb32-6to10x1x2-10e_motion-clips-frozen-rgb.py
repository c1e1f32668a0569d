"""The control of the default: the same network sees one frame, repeated."""
_base_ = 'cbm15_scratch_1xb32-6to10x1x2-10e_motion-clips-rgb.py'

train_pipeline = _base_.train_pipeline
train_pipeline.insert(3, dict(type='FreezeFrame'))
val_pipeline = _base_.val_pipeline
val_pipeline.insert(3, dict(type='FreezeFrame'))

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=val_pipeline))
