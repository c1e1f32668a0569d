"""UCF-101 as folders of images:  DATA_ROOT=... SPLIT=1 python tools/train.py ...

`tools/data/prepare_video_dataset.py ucf101 --raw-frames` makes the lists in DATA_ROOT; the folders
are in DATA_ROOT/rawframes, with images img_00001.jpg, ... All else is as in `ucf101.py`.
"""
_base_ = 'videos_224px.py'

data_root = '{{$DATA_ROOT:data/ucf101}}'
split = int('{{$SPLIT:1}}')  # 1, 2 or 3
num_classes = 101

train_list = f'{data_root}/ucf101_train_split_{split}_rawframes.txt'
val_list = f'{data_root}/ucf101_val_split_{split}_rawframes.txt'
rawframes = dict(
    type='CheckedRawframeDataset', data_prefix=dict(img=f'{data_root}/rawframes'),
    filename_tmpl='img_{:05}.jpg', num_classes=num_classes)

# the samplers, geometry and packs of the videos' pipelines; nothing is opened, images are read
train_pipeline = [
    _base_.train_pipeline[1],
    dict(type='RawFrameDecode'),
    *_base_.train_pipeline[2].geometry,
    dict(type='FormatShape', input_format='NCHW'),
    _base_.train_pipeline[-1],
]
val_pipeline = [
    _base_.val_pipeline[1],
    dict(type='RawFrameDecode'),
    *_base_.val_pipeline[3:],
]

train_dataloader = dict(dataset=dict(ann_file=train_list, pipeline=train_pipeline, **rawframes))
val_dataloader = dict(dataset=dict(ann_file=val_list, pipeline=val_pipeline, **rawframes))
test_dataloader = val_dataloader
