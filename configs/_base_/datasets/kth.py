"""KTH as MCnet and the paper use it:  DATA_ROOT=... python tools/train.py ...

128x128 grey, 10 frames in; 10 out in training (persons 1 to 16), 20 out in testing (17 to 25). The
lists are KTH's own by default. MCnet's are the published ones, and cut out more of the frames in
which nobody is seen wholly:  TRAIN_LIST=train_data_list_trimmed.txt TEST_LIST=test_data_list.txt

No persons are left to choose a checkpoint on. Validation looks at the first window of each test
sequence alone, which shows how the training goes; report the last checkpoint, tested on all.
Decoded frames take 4.7 GB if kept: FRAME_CACHE=DIR keeps them in files.
"""
data_root = '{{$DATA_ROOT:data/kth}}'

kth = dict(type='KTHActions', data_root=data_root, cache='{{$FRAME_CACHE:none}}')
test_list = dict(ann_file='{{$TEST_LIST:00sequences.txt}}', test_mode=True,
                 pipeline=[dict(type='PackFrames')])

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        **kth, ann_file='{{$TRAIN_LIST:00sequences.txt}}',
        pipeline=[dict(type='Flip', flip_ratio=0.5), dict(type='PackFrames')]))
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**kth, **test_list, test_windows='first'))
test_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**kth, **test_list))

val_evaluator = dict(type='FramePredictionMetric')
test_evaluator = val_evaluator
