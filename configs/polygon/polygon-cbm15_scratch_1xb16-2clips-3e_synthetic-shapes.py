"""The embedded default: 15 CBM layers, the overlap scheme over vertices, generated shapes."""
_base_ = [
    '../_base_/default_runtime.py', '../_base_/datasets/synthetic_shapes.py',
    '../_base_/models/polygon_small.py', '../_base_/schedules/adam_onecycle.py'
]
custom_imports = dict(imports=['cbm_plugin.polygon'])

max_epochs = 3  # 1,300 updates: 15 minutes on two cores
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=4e-3, total_steps=max_epochs, by_epoch=True,
         convert_to_iter_based=True)
]
custom_hooks = [
    dict(type='SeedIterationHook'),  # draws depend on (seed, iteration, rank): exact resume
    dict(type='SampleFaultHook', max_share=0.1),  # broken images are named, counted, replaced
    dict(type='CurvesHook'),
    dict(type='CoherenceHook', weight=0.8, state='reset'),  # the paper's weight for polygons
]
default_hooks = dict(checkpoint=dict(save_best=None))  # the last weights count
test_after_train = True
