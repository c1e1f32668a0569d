"""The embedded default of frame prediction: 15 CBM layers, moving shapes drawn as needed."""
_base_ = [
    '../_base_/default_runtime.py', '../_base_/datasets/moving_shapes.py',
    '../_base_/models/predictor_light.py', '../_base_/schedules/adam_onecycle.py'
]
custom_imports = dict(imports=['cbm_plugin.prediction'])

max_epochs = 2  # 1,000 updates
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=4e-3, total_steps=max_epochs, by_epoch=True,
         convert_to_iter_based=True)
]
train_dataloader = dict(batch_size=8, dataset=dict(num_sequences=4000))
custom_hooks = [
    dict(type='SeedIterationHook'),  # draws depend on (seed, iteration, rank): exact resume
    dict(type='PredictionPicturesHook'),  # strips and animations of the same sequences
    dict(type='CurvesHook'),
]
default_hooks = dict(checkpoint=dict(save_best=None))  # the last weights count
test_after_train = True
