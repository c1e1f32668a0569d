"""Adam, one cycle of the learning rate over the whole run: what trains 15 layers from scratch."""
max_epochs = 10

train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=4e-3),
    clip_grad=dict(max_norm=5))  # norms of some thousands occur without
param_scheduler = [
    dict(type='OneCycleLR', eta_max=4e-3, total_steps=max_epochs, by_epoch=True,
         convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=False, base_batch_size=32)
