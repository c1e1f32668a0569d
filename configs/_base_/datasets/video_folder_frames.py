"""Future prediction on a folder of videos with `train_list.txt` and `val_list.txt`.

The folder is given on the command line:  DATA_ROOT=... python tools/train.py ...
A list has a path on each line; labels after it are passed over. TRAIN_LIST and VAL_LIST name other
lists. Decoded frames are kept in memory; FRAME_CACHE=DIR keeps them in files, for all runs.
"""
data_root = '{{$DATA_ROOT:data/videos}}'

frames = dict(
    type='VideoFrameFolder', data_root=data_root, num_inputs=10, num_outputs=10, size=64,
    colour='grey', stride=2, cache='{{$FRAME_CACHE:memory}}')

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        **frames, ann_file='{{$TRAIN_LIST:train_list.txt}}',
        pipeline=[dict(type='Flip', flip_ratio=0.5), dict(type='PackFrames')]))
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **frames, ann_file='{{$VAL_LIST:val_list.txt}}', pipeline=[dict(type='PackFrames')],
        test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(type='FramePredictionMetric')
test_evaluator = val_evaluator
