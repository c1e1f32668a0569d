"""Moving MNIST in minutes on two CPU cores: 15 CBM layers of 16 channels."""
_base_ = [
    '../../_base_/default_runtime.py', '../../_base_/datasets/moving_mnist.py',
    '../../_base_/models/predictor_light.py', '../../_base_/schedules/adam_onecycle.py'
]
custom_imports = dict(imports=['cbm_plugin.prediction'])

max_epochs = 5  # 1,000 updates
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=4e-3, total_steps=max_epochs, by_epoch=True,
         convert_to_iter_based=True)
]
train_dataloader = dict(batch_size=8, dataset=dict(num_sequences=1600))
custom_hooks = [
    dict(type='SeedIterationHook'),  # draws depend on (seed, iteration, rank): exact resume
    dict(type='PredictionPicturesHook'),  # strips and animations of the same sequences
    dict(type='CurvesHook'),
]
default_hooks = dict(checkpoint=dict(save_best=None))  # the last weights count
test_after_train = True
