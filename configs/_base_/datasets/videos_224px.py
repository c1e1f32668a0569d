"""Videos at 224 pixels, as the paper's recognition models see them. A base of the data sets' files.

A sequence is 55 items spread evenly over the video: what the authors' 7 clips of 10 with a quarter
overlap span. Clips have the paper's random lengths and starts, and cover the sequence.
"""
num_items = 55

train_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleOverlapClips', num_items=num_items, num_clips=7, min_len=8, max_len=12,
         min_overlap=2, cover=True, short='whole'),
    dict(
        type='DecordDecodeFused',  # each pixel is touched once (docs/data_path.md)
        geometry=[
            dict(type='RandomResizedCrop', area_range=(0.4, 1.0)),
            dict(type='Resize', scale=(224, 224), keep_ratio=False),
            dict(type='Flip', flip_ratio=0.5)],
        input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('clip_plan',)),
]
val_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleSequence', num_items=num_items),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(type='CheckedVideoDataset', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CheckedVideoDataset', pipeline=val_pipeline, test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
