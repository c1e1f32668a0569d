"""What do overlapping clips and their coherence loss give, against whole sequences and clips?"""
_base_ = ['_base_/tasks.py', '../_base_/datasets/video_folder_motion.py']

items = dict(early_cue=24, weak_cue=24, ucf101_features=24, motion_clips=16, dark_actions=16)
"""Of a sequence."""

load_features = dict(before=[], after=[dict(type='LoadFeatures')])
load_video = dict(before=[dict(type='DecordInit')], after=[
    dict(type='DecordDecode'), dict(type='FormatShape', input_format='NCHW')])
load_motion = dict(before=[dict(type='SmallFramesInit', size=80)],
                   after=_base_.train_pipeline[2:-1])
load = dict(early_cue=load_features, weak_cue=load_features, ucf101_features=load_features,
            motion_clips=load_video, dark_actions=load_motion)
"""What stands around the sampler in a task's pipeline."""


def sampled(task, **clips):
    """Training on clips that together are the sequence, or, without options, on all of it."""
    sampler = dict(type='SampleOverlapClips', cover=True, **clips) if clips else \
        dict(type='SampleSequence')
    return {'train_dataloader.dataset.pipeline': [
        *load[task]['before'], dict(sampler, num_items=items[task]), *load[task]['after'],
        dict(type='PackActionInputs', algorithm_keys=('clip_plan',))]}


def coherence(weight=0.0, state='reset'):
    """The weight of the loss, and what a clip's state starts from."""
    return {'custom_hooks': [
        dict(type='SeedIterationHook'), dict(type='VideoFaultHook', max_share=0.1),
        dict(type='CurvesHook'), dict(type='CoherenceHook', weight=weight, state=state)]}


def partition(length):
    """Clips of one length that share nothing and together are the sequence."""
    return {task: sampled(task, num_clips=items[task] // length, min_len=length, max_len=length)
            for task in items}


def overlapping(length, shared, **clips):
    """Clips of up to ``length`` items, by number of items of the sequence."""
    return {task: sampled(task, num_clips=clips[f'of_{items[task]}'], max_len=length,
                          min_len=max(shared + 1, length * 5 // 8), min_overlap=shared)
            for task in items}


# up to 8 items, of which 2 or more are shared with the clip before: the longest clip, and so the
# memory, is that of the partition into clips of 8
overlap = overlapping(8, 2, of_24=4, of_16=3)
whole = {task: sampled(task) for task in items}

cells = [
    dict(name='whole', options=coherence(), only=whole),
    dict(name='clips', options=coherence(), only=partition(8)),
    dict(name='overlap', options=coherence(), only=overlap),
    *[dict(name=f'overlap-loss-{weight}', options=coherence(weight), only=overlap)
      for weight in (0.2, 0.8, 3.2)],
    # clip length
    dict(name='clips-of-4', options=coherence(), only=partition(4)),
    dict(name='overlap-of-4-loss-0.8', options=coherence(0.8),
         only=overlapping(4, 1, of_24=8, of_16=6)),
    dict(name='overlap-of-12-loss-0.8', options=coherence(0.8),
         only=overlapping(12, 3, of_24=3, of_16=2)),
    # state policy; under carry the loss is zero by construction
    dict(name='clips-carry', options=coherence(0, 'carry'), only=partition(8)),
    dict(name='overlap-carry', options=coherence(0, 'carry'), only=overlap),
    dict(name='overlap-last', options=coherence(0, 'last'), only=overlap),
    dict(name='overlap-last-loss-0.8', options=coherence(0.8, 'last'), only=overlap),
]

# five layers, which every task trains; the rest of its task
small = dict(
    early_cue={'model.neck.hidden_channels': [64] * 5},
    weak_cue={'model.neck.hidden_channels': [64] * 5},
    ucf101_features={
        'model.neck.hidden_channels': [256] * 5, 'model.neck.shortcuts': 5,
        'val_dataloader.dataset.pipeline.0.num_items': 24,
        'test_dataloader.dataset.pipeline.0.num_items': 24},
    motion_clips={'model.neck.hidden_channels': [16] * 5},
    dark_actions={
        'model.neck.hidden_channels': [16] * 5,
        **{f'{split}_dataloader.dataset.pipeline.1.{key}': value for split in ('val', 'test')
           for key, value in (('frame_interval', 1), ('num_items', 16))}})

study = dict(
    question='What do overlapping clips and the coherence loss give, against whole sequences and '
    'against clips that share nothing, where every clip shows the class and where only the start '
    'does? What do they cost?',
    source='section 5, analysis on the overlap coherence training scheme',
    equal='updates',
    along=dict(metrics='early/top1_', cells=[  # accuracy at the last frame that was seen
        'whole', 'clips', 'overlap-loss-0.8', 'overlap-carry', 'overlap-last-loss-0.8']),
    tasks={name: dict(task, options={**task.get('options', {}), **small[name]})
           for name, task in dict(
               early_cue=_base_.early_cue, weak_cue=_base_.weak_cue,
               ucf101_features=_base_.ucf101_features, motion_clips=_base_.motion_clips,
               dark_actions=_base_.dark_actions).items()},
    cells=cells,
    claims=[
        dict(text='Overlapping clips with the loss are better than clips without overlap at the '
             'same memory', higher='overlap-loss-0.8', lower='clips', published='direction only'),
        dict(text='Overlapping clips without the loss are better than clips without overlap',
             higher='overlap', lower='clips', published='direction only'),
        dict(text='The loss makes overlapping clips better', higher='overlap-loss-0.8',
             lower='overlap', published='direction only'),
        dict(text='Overlapping clips with the loss come up to whole sequences',
             higher='overlap-loss-0.8', lower='whole', published='direction only'),
        dict(text='Longer clips are better', higher='overlap-of-12-loss-0.8',
             lower='overlap-of-4-loss-0.8', published='direction only'),
        dict(text='A carried state is better than one from zero, where only the start shows the '
             'class', higher='overlap-carry', lower='overlap', tasks=['early_cue'],
             published='not in the paper'),
    ],
    quick=dict(cells=['whole', 'overlap-loss-0.8'], only=_base_.tiny,
               tasks=['early_cue', 'motion_clips']))
