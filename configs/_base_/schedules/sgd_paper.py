"""The paper's schedule of the standalone model.

Published are the optimizer, its rate and the clamping; the rate stays what it is, and the number of
epochs is ours.
"""
max_epochs = 100

train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-4, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(type='value', clip_value=5))  # each entry of a gradient is clamped to +-5
param_scheduler = []
auto_scale_lr = dict(enable=False, base_batch_size=8)
