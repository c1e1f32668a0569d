"""Shapes: partly hidden objects of 6 classes on clutter, made as COCO-format files at first use.

What the choices cost on the val split, by tools/analysis_tools/polygon_baselines.py: on a grid of
28 cells the true outlines reach 94.5% IoU with 15.3 vertices (tolerance 0), 94.1% with 11.2
(tolerance 2), and 93.3% with 9.8 (tolerance 4). The convex hulls reach 75.1%, the boxes 49.5%.
"""
data_root = 'data/shapes'
num_classes = 6
crop_size = 112  # pixels: 4 for each cell
grid_size = 28
max_vertices = 32
tolerance = 2.0  # square cells

train_pipeline = [
    dict(type='LoadObjectImage'),
    dict(type='CropObject', size=crop_size, shift=0.05, scale=0.1),
    dict(type='FlipObject', prob=0.5),
    dict(type='JitterColour'),
    dict(type='EncodeOutline', grid_size=grid_size, max_vertices=max_vertices,
         tolerance=tolerance),
    # the paper's scheme, over vertices: random lengths, random starts, the overlaps tied together
    # by the loss; outlines shorter than a clip are whole clips
    dict(type='SampleVertexClips', num_clips=2, min_len=5, max_len=9, min_overlap=2),
    dict(type='PackPolygonInputs'),
]
test_pipeline = [
    dict(type='LoadObjectImage'),
    dict(type='CropObject', size=crop_size),
    dict(type='PackPolygonInputs'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='SyntheticShapes', data_root=data_root, split='train', num_images=1250,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SyntheticShapes', data_root=data_root, split='val', num_images=200,
        pipeline=test_pipeline, test_mode=True))
# tested on pictures that neither training nor the choice of the checkpoint has seen
test_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SyntheticShapes', data_root=data_root, split='test', num_images=200,
        pipeline=test_pipeline, test_mode=True))

val_evaluator = dict(type='PolygonIoU')
test_evaluator = val_evaluator
