"""UCF-101 by its official splits:  DATA_ROOT=... SPLIT=1 python tools/train.py ...

`tools/data/prepare_video_dataset.py ucf101` makes the lists in DATA_ROOT; the videos are in
DATA_ROOT/videos. There is no list to choose a checkpoint on: validation and test are the same.
"""
_base_ = 'videos_224px.py'

data_root = '{{$DATA_ROOT:data/ucf101}}'
split = int('{{$SPLIT:1}}')  # 1, 2 or 3
num_classes = 101

train_list = f'{data_root}/ucf101_train_split_{split}_videos.txt'
val_list = f'{data_root}/ucf101_val_split_{split}_videos.txt'
videos = dict(data_prefix=dict(video=f'{data_root}/videos'), num_classes=num_classes)

train_dataloader = dict(dataset=dict(ann_file=train_list, **videos))
val_dataloader = dict(dataset=dict(ann_file=val_list, **videos))
test_dataloader = val_dataloader
