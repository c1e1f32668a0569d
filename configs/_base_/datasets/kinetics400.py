"""Kinetics-400:  DATA_ROOT=... python tools/train.py ...

`tools/data/prepare_video_dataset.py kinetics400` makes the lists in DATA_ROOT; the videos are in
DATA_ROOT/videos, in any sub-folders. Tested on the validation list, as everybody does.
"""
_base_ = 'videos_224px.py'

data_root = '{{$DATA_ROOT:data/kinetics400}}'
num_classes = 400

train_list = f'{data_root}/kinetics400_train_list_videos.txt'
val_list = f'{data_root}/kinetics400_val_list_videos.txt'
videos = dict(data_prefix=dict(video=f'{data_root}/videos'), num_classes=num_classes)

train_dataloader = dict(dataset=dict(ann_file=train_list, **videos))
val_dataloader = dict(dataset=dict(ann_file=val_list, **videos))
test_dataloader = val_dataloader
