"""Features of videos in one npz (DATA_ROOT/features.npz), 8 training videos of each class.

`features (V, 25, 256)`: 25 frames of each video, VGG16 fc6 reduced to 256 numbers; `label`, `split`
('train', 'test'), `video`, `classes`.  DATA_ROOT=DIR python tools/train.py ...
"""
data_root = '{{$DATA_ROOT:data/ucf101_features}}'
num_classes = int('{{$NUM_CLASSES:7}}')
feature_channels = int('{{$FEATURE_CHANNELS:256}}')

pipeline = [
    dict(type='SampleSequence'),
    dict(type='LoadFeatures'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='FeatureSequences', data_root=data_root, data_prefix=dict(features='features.npz'),
        split='train', num_classes=num_classes, per_class=8, pipeline=pipeline))
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='FeatureSequences', data_root=data_root, data_prefix=dict(features='features.npz'),
        split='test', num_classes=num_classes, pipeline=pipeline, test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric', metric_options=dict(top_k_accuracy=dict(topk=(1, 5))))
test_evaluator = [val_evaluator, dict(type='EarlyRecognitionMetric', topk=(1, 5))]
