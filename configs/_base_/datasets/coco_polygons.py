"""Outlines of a COCO-format file, named by DATA_ROOT, IMAGES, TRAIN_ANN and TEST_ANN."""
data_root = '{{$DATA_ROOT:data/coco}}'
images = dict(img='{{$IMAGES:images}}')
grid_size = 28

train_pipeline = [
    dict(type='LoadObjectImage'),
    dict(type='CropObject', size=112, shift=0.05, scale=0.1),
    dict(type='FlipObject'),
    dict(type='JitterColour'),
    dict(type='EncodeOutline', grid_size=grid_size, max_vertices=32, tolerance=1),
    # the overlap scheme over vertices: clips of random lengths that cover the outline
    dict(type='SampleVertexClips', num_clips=2, min_len=4, max_len=20, min_overlap=2),
    dict(type='PackPolygonInputs')
]
test_pipeline = [
    dict(type='LoadObjectImage'),
    dict(type='CropObject', size=112),
    dict(type='PackPolygonInputs')
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='CocoPolygons', data_root=data_root, ann_file='{{$TRAIN_ANN:annotations/train.json}}',
        data_prefix=images, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoPolygons', data_root=data_root, ann_file='{{$TEST_ANN:annotations/test.json}}',
        data_prefix=images, pipeline=test_pipeline, test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(type='PolygonIoU')
test_evaluator = val_evaluator
