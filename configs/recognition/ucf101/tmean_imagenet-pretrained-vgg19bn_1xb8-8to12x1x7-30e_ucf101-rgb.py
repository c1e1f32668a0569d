"""The mean over time of VGG19-BN's frames, the control without recurrence; UCF-101."""
_base_ = [
    '../../_base_/default_runtime.py', '../../_base_/datasets/ucf101.py',
    '../../_base_/models/tmean_vgg19bn.py', '../../_base_/schedules/adam_paper.py'
]

model = dict(cls_head=dict(num_classes=_base_.num_classes))

# the last weights count: choosing the best epoch on the test list would be choosing the result
default_hooks = dict(checkpoint=dict(save_best=None))
test_after_train = True
