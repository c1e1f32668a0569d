"""What studies train on. Each takes one core seconds to a few minutes for a run."""

# a task of memory: 24 items, of which the first 4 show the class; judged at the last item
early_cue = dict(
    config='configs/studies/_base_/early_cue.py', data='generated', seeds=[0, 1, 2, 3, 4],
    metric='early/top1_100', also=['early/area_top1'], chance=0.25)

# every item shows the class: a single one in 49% of cases, 8 together in 87%, all 24 in 99%
weak_cue = dict(
    config='configs/studies/_base_/early_cue.py', data='generated', seeds=[0, 1, 2, 3, 4],
    metric='early/top1_100', also=['early/area_top1'], chance=0.25,
    options={
        f'{split}_dataloader.dataset.{key}': value for split in ('train', 'val', 'test')
        for key, value in (('cue_frames', 24), ('cue_level', 0.1))
    })

# 8 directions of motion on 16 frames of 32x32, which no single frame tells; 15 CBM layers are still
# at chance after these 240 updates (seed 0): lengthen it before a study is made of it
motion_clips = dict(
    config='configs/studies/_base_/motion_clips.py', data='generated', seeds=[0, 1, 2],
    metric='acc/top1', also=['early/top1_50', 'early/top1_100'], chance=0.125, amp=True)

# UCF-101: 7 classes, 25 frames of a video as VGG16 features; 4 training videos of each class, which
# the seed draws
ucf101_features = dict(
    config='configs/anticipation/ucf101_features/'
    'cbm15_vgg16-fc6_1xb16-25x1x1-20e_ucf101-features.py',
    data='UCF101_FEATURES', seeds=[0, 1, 2, 3, 4], metric='acc/top1',
    also=['early/top1_10', 'early/area_top1'], chance=1 / 7,
    seed_options=['train_dataloader.dataset.subset_seed'],
    options={'train_dataloader.dataset.per_class': 4, 'train_cfg.max_epochs': 40,
             'train_cfg.val_interval': 4, 'param_scheduler.0.total_steps': 40,
             'default_hooks.checkpoint.interval': 40})

# 6 actions in the dark, 150 videos to train on
dark_actions = dict(
    config='configs/studies/_base_/video_folder.py', data='DARK_ACTIONS', seeds=[0, 1, 2, 3, 4],
    metric='acc/top1', also=['acc/mean1', 'early/top1_100'], chance=1 / 6, amp=True)

# outlines of 6 kinds of objects; of the objects' boxes themselves the IoU is 0.49
shapes = dict(
    config='configs/studies/_base_/shapes.py', data='generated', seeds=[0, 1, 2],
    metric='polygon/miou_instances', also=['polygon/boundary_f'], chance=0.49, amp=True)

# two updates of a run, and a test on as few samples
one_epoch = {'train_cfg.max_epochs': 1, 'param_scheduler.0.total_steps': 1}
tiny = dict(
    early_cue={
        **one_epoch, 'train_dataloader.batch_size': 4,
        **{f'{split}_dataloader.dataset.num_sequences': 8 for split in ('train', 'val', 'test')}},
    motion_clips={
        **one_epoch, 'train_dataloader.batch_size': 4,
        **{f'{split}_dataloader.dataset.num_clips': 8 for split in ('train', 'val', 'test')}})
