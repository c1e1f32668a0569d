"""Motion clips: 8 classes that differ in motion only, made as mp4 files at first use."""
data_root = 'data/motion_clips'
num_classes = 8
sequence_length = 16  # frames of each video

train_pipeline = [
    dict(type='DecordInit'),
    # the paper's sampler: random lengths, random starts, the overlaps tied together by the loss
    dict(type='SampleOverlapClips', num_clips=2, min_len=6, max_len=10, min_overlap=2),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('clip_plan',)),
]
val_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleSequence'),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='MotionClips', data_root=data_root, split='train', num_clips=2000,
        num_frames=sequence_length, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=False,  # between validations they would hold memory for nothing
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='MotionClips', data_root=data_root, split='val', num_clips=400,
        num_frames=sequence_length, pipeline=val_pipeline, test_mode=True))
# tested on clips that neither training nor the choice of the checkpoint has seen
test_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='MotionClips', data_root=data_root, split='test', num_clips=800,
        num_frames=sequence_length, pipeline=val_pipeline, test_mode=True))

val_evaluator = dict(
    type='AccMetric', metric_options=dict(top_k_accuracy=dict(topk=(1, 2))))
test_evaluator = val_evaluator
