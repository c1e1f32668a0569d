"""The swapped TSN, trained on two overlapping clips of each video, tied by the coherence loss."""
_base_ = 'tsn-cbm15_imagenet-pretrained-r50_8xb32-1x1x8-100e_kinetics400-rgb.py'
train_pipeline = _base_.train_pipeline
train_pipeline[1] = dict(
    type='SampleOverlapClips', num_clips=2, min_len=6, max_len=8, num_items=12, min_overlap=2,
    short='whole')
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [dict(type='CoherenceHook', weight=0.8)]  # without it: clips, no loss
# used with --launcher only
model_wrapper_cfg = dict(type='ClipwiseDistributedDataParallel', broadcast_buffers=False)
