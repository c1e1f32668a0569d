"""MCnet with 15 CBM layers, as published.  DATA_ROOT=DIR python tools/train.py ...

Published: PSNR 26.5, SSIM 0.824 (means of 20 steps). Losses and optimizers are the paper's, their
balance and the 100,000 updates MCnet's, which the paper builds on.
"""
_base_ = [
    '../../_base_/default_runtime.py', '../../_base_/datasets/kth.py',
    '../../_base_/models/mcnet_cbm15.py', '../../_base_/schedules/adam_paper.py'
]
custom_imports = dict(imports=['cbm_plugin.prediction'])

model = dict(
    type='AdversarialPredictor',
    discriminator=dict(type='FrameSequenceDiscriminator', num_frames=20, channels=1, size=128),
    adversarial_weight=0.02,
    balance_margin=0.3)  # the stronger of the two pauses

adam = dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.5, 0.999)))
optim_wrapper = dict(
    _delete_=True, constructor='NetworksOptimWrapperConstructor', network=adam, discriminator=adam)
model_wrapper_cfg = dict(_delete_=True, type='NetworksDistributedDataParallel')

max_epochs = 520  # of 191 updates: 1,525 sequences in batches of 8
train_cfg = dict(max_epochs=max_epochs, val_interval=20)
custom_hooks = [
    dict(type='SeedIterationHook'),  # draws depend on (seed, iteration, rank): exact resume
    dict(type='SampleFaultHook', max_share=0.1),  # broken videos are named, counted, replaced
    dict(type='PredictionPicturesHook'),  # strips and animations of the same sequences
    dict(type='CurvesHook'),
]
default_hooks = dict(checkpoint=dict(save_best=None))  # the last weights count
test_after_train = True
