"""15 CBM layers, 5.85M parameters; Cityscapes. Published IoU: 70.4."""
_base_ = [
    '../../_base_/default_runtime.py', '../../_base_/datasets/cityscapes_polygons.py',
    '../../_base_/models/polygon_vgg16bn.py', '../../_base_/schedules/adam_paper.py'
]
custom_imports = dict(imports=['cbm_plugin.polygon'])

custom_hooks = [
    dict(type='SeedIterationHook'),  # draws depend on (seed, iteration, rank): exact resume
    dict(type='SampleFaultHook', max_share=0.1),  # broken images are named, counted, replaced
    dict(type='CurvesHook'),
    dict(type='CoherenceHook', weight=0.8, state='reset'),  # the paper's weight for polygons
]
default_hooks = dict(checkpoint=dict(save_best='polygon/miou_classes', rule='greater'))
test_after_train = True
