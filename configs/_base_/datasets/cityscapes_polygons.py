"""Outlines of Cityscapes at the published sizes: 224 pixels, 28x28 cells, 60 vertices, 8 clips."""
data_root = '{{$DATA_ROOT:data/cityscapes}}'
grid_size = 28

train_pipeline = [
    dict(type='LoadObjectImage'),
    dict(type='CropObject', size=224),
    dict(type='FlipObject'),
    dict(type='EncodeOutline', grid_size=grid_size, max_vertices=60),
    dict(type='SampleVertexClips', num_clips=8, min_len=5, max_len=12, min_overlap=2),
    dict(type='PackPolygonInputs')
]
test_pipeline = [
    dict(type='LoadObjectImage'),
    dict(type='CropObject', size=224),
    dict(type='PackPolygonInputs')
]

# the field tests on the official val, whose outlines are public, and validates on cities of train
validated_on = ('weimar', 'zurich')

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='CityscapesPolygons', data_root=data_root, split='train',
        cities=('aachen', 'bochum', 'bremen', 'cologne', 'darmstadt', 'dusseldorf', 'erfurt',
                'hamburg', 'hanover', 'jena', 'krefeld', 'monchengladbach', 'strasbourg',
                'stuttgart', 'tubingen', 'ulm'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesPolygons', data_root=data_root, split='train', cities=validated_on,
        pipeline=test_pipeline, test_mode=True))
test_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesPolygons', data_root=data_root, split='val', pipeline=test_pipeline,
        test_mode=True))

val_evaluator = dict(type='PolygonIoU')
test_evaluator = val_evaluator
