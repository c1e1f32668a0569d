"""17 CBM layers without a CNN; HMDB-51. Published: 61.7.

Whether the published model started from Kinetics-400 is not said. To start from a checkpoint of
that config, but for the last layer, whose classes differ: `--cfg-options load_from=CHECKPOINT`.
"""
_base_ = [
    '../../_base_/default_runtime.py', '../../_base_/datasets/hmdb51.py',
    '../../_base_/models/cbm17_standalone.py', '../../_base_/schedules/sgd_paper.py'
]

model = dict(cls_head=dict(num_classes=_base_.num_classes))

num_items = 24  # what the authors' 6 clips of 5 with a quarter overlap span
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(num_items=num_items, num_clips=6, min_len=4, max_len=6, min_overlap=1)
val_pipeline = _base_.val_pipeline
val_pipeline[1].update(num_items=num_items)

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader

custom_hooks = _base_.custom_hooks + [
    # the authors' standalone model: a clip starts where the one before it ended
    dict(type='CoherenceHook', weight=0, state='last')
]

# the last weights count: choosing the best epoch on the test list would be choosing the result
default_hooks = dict(checkpoint=dict(save_best=None))
test_after_train = True
