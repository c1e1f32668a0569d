"""A folder of videos with `train_list.txt` and `val_list.txt` (lines of `path label`), as motion.

The folder is given on the command line:  DATA_ROOT=... NUM_CLASSES=... python tools/train.py ...
Frames become two channels: the difference to the frame before, and to the median background.
"""
data_root = '{{$DATA_ROOT:data/videos}}'
num_classes = int('{{$NUM_CLASSES:6}}')

frame_interval = 3  # 10 items a second at 30 fps
motion = dict(
    type='AddMotionChannels', kinds=('frame', 'background'), keep_colour=False,
    gamma=0.4)  # dark video: makes people visible; 1 for daylight
motion_channels = 2
shrink = dict(type='Resize', scale=(64, 64), keep_ratio=False, interpolation='area')

train_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleOverlapClips', num_clips=2, min_len=8, max_len=12, min_overlap=3,
         frame_interval=frame_interval, short='whole'),
    dict(type='DecordDecode'),
    dict(type='RandomResizedCrop', area_range=(0.4, 1.0), aspect_ratio_range=(0.75, 1.33)),
    shrink,
    dict(type='Flip', flip_ratio=0.5),
    motion,
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('clip_plan',)),
]
val_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleSequence', frame_interval=frame_interval),
    dict(type='DecordDecode'),
    shrink,
    motion,
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='CheckedVideoDataset', ann_file=f'{data_root}/train_list.txt',
        data_prefix=dict(video=data_root), num_classes=num_classes, check='open',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CheckedVideoDataset', ann_file=f'{data_root}/val_list.txt',
        data_prefix=dict(video=data_root), num_classes=num_classes, check='open',
        pipeline=val_pipeline, test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='AccMetric', metric_options=dict(top_k_accuracy=dict(topk=(1,))))
test_evaluator = val_evaluator
