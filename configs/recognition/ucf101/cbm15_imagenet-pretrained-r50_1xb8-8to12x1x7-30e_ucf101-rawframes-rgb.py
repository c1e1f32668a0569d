"""15 CBM layers on ResNet-50; UCF-101 as folders of images."""
_base_ = [
    '../../_base_/default_runtime.py', '../../_base_/datasets/ucf101_rawframes.py',
    '../../_base_/models/cbm15_r50.py', '../../_base_/schedules/adam_paper.py'
]

model = dict(cls_head=dict(num_classes=_base_.num_classes))

custom_hooks = _base_.custom_hooks + [
    # the authors' action models: clips start from zero, weight 0; they used 0.8 for polygons
    dict(type='CoherenceHook', weight=0, state='reset')
]

# the last weights count: choosing the best epoch on the test list would be choosing the result
default_hooks = dict(checkpoint=dict(save_best=None))
test_after_train = True
