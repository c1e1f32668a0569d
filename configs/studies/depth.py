"""Do more layers help CBM, and hurt LSTM and ConvLSTM?"""
_base_ = '_base_/tasks.py'

vectors = ['early_cue', 'ucf101_features']  # here LSTM means LSTM, on maps it means ConvLSTM
maps = ['motion_clips', 'dark_actions']
polygons = ['shapes']
width = dict(early_cue=64, ucf101_features=256, motion_clips=16, dark_actions=16, shapes=16)

# at these widths a stack of LSTM layers, with the projections of its shortcuts, has as many
# parameters as one of CBM layers at those above
equal_on_maps = {1: [8], 5: [10] * 2 + [9] * 3, 15: [10] * 9 + [9] * 6}
equal = dict(
    early_cue={1: [32], 2: [36] * 2, 5: [37] * 5, 10: [38] * 10, 15: [39] * 15},
    ucf101_features={1: [129], 2: [144] * 2, 5: [149] * 5, 10: [153] * 10, 15: [154] * 15},
    motion_clips=equal_on_maps, dark_actions=equal_on_maps,
    shapes={2: [9, 8], 15: [10] * 8 + [9] * 7})

on_vectors = dict(_delete_=True, type='LSTM')
# batch norm within the recurrence fails in evaluation: docs/polygon.md
on_maps = dict(_delete_=True, type='ConvLSTM', norm='GN')
lstm = dict(early_cue=on_vectors, ucf101_features=on_vectors, motion_clips=on_maps,
            dark_actions=on_maps, shapes=on_maps)


def stack(task, widths, **layers):
    """Layers of these widths, a shortcut around every five, and the classifier behind them."""
    options = {'hidden_channels': widths, 'shortcuts': 5, **layers}
    if task in polygons:
        return {f'model.rnn.{key}': value for key, value in options.items()}
    return {'model.cls_head.in_channels': widths[-1],
            **{f'model.neck.{key}': value for key, value in options.items()}}


cells = []
tasks_of = {1: [*vectors, *maps], 2: [*vectors, *polygons], 5: [*vectors, *maps], 10: vectors,
            15: [*vectors, *maps, *polygons]}
for depth, tasks in tasks_of.items():
    cells += [
        dict(name=f'CBM-{depth}', series='CBM', x=depth, tasks=tasks, only={
            task: stack(task, [width[task]] * depth) for task in tasks}),
        dict(name=f'LSTM-{depth}', series='LSTM', x=depth, tasks=tasks, only={
            task: stack(task, [width[task]] * depth, layer=lstm[task]) for task in tasks}),
        dict(name=f'LSTM-equal-{depth}', series='LSTM, equal parameters', x=depth, tasks=tasks,
             only={task: stack(task, equal[task][depth], layer=lstm[task]) for task in tasks}),
    ]
for depth in (5, 10, 15):  # of fewer layers none has a shortcut
    tasks = tasks_of[depth] if depth == 15 else vectors
    cells += [
        dict(name=f'CBM-{depth}-plain', series='CBM, no shortcuts', x=depth, tasks=tasks, only={
            task: stack(task, [width[task]] * depth, shortcuts=None) for task in tasks}),
        dict(name=f'LSTM-{depth}-plain', series='LSTM, no shortcuts', x=depth, tasks=tasks, only={
            task: stack(task, [width[task]] * depth, shortcuts=None, layer=lstm[task])
            for task in tasks}),
    ]
# the norm of the CBM layers on vectors
cells.append(dict(
    name='LSTM-15-LN', series='LSTM, layer norm', x=15, tasks=vectors, only={
        task: stack(task, [width[task]] * 15, layer=dict(on_vectors, norm='LN'))
        for task in vectors}))

study = dict(
    question='Do more layers help CBM, and hurt LSTM (on maps ConvLSTM) of equal width and of '
    'equal parameters? Is it optimisation or over-fitting that hurts?',
    source='section 5, analysis on depth',
    equal='updates',
    x_label='layers',
    curves=True,
    tasks=dict(
        early_cue=_base_.early_cue, ucf101_features=_base_.ucf101_features,
        motion_clips=_base_.motion_clips, dark_actions=_base_.dark_actions, shapes=_base_.shapes),
    cells=cells,
    claims=[
        dict(text='15 layers of CBM are better than 1', higher='CBM-15', lower='CBM-1',
             published='UCF-101 65.3 -> 79.8, HMDB-51 34.3 -> 40.2'),
        dict(text='15 layers of LSTM are worse than 1', higher='LSTM-1', lower='LSTM-15',
             published='UCF-101 71.1 (LSTM) -> 68.9 (ConvLSTM), HMDB-51 36.0 -> 34.2'),
        dict(text='On polygons 15 layers of CBM are better than 2', higher='CBM-15', lower='CBM-2',
             tasks=polygons, published='59.9 -> 70.4 IoU'),
        dict(text='On polygons 15 layers of CBM without shortcuts, as published, are better than 2',
             higher='CBM-15-plain', lower='CBM-2', tasks=polygons, published='59.9 -> 70.4 IoU'),
        dict(text='On polygons 15 layers of ConvLSTM are worse than 2', higher='LSTM-2',
             lower='LSTM-15', tasks=polygons, published='61.4 -> 46.7 IoU'),
        dict(text='On polygons 15 layers of ConvLSTM without shortcuts, as published, are worse '
             'than 2', higher='LSTM-2', lower='LSTM-15-plain', tasks=polygons,
             published='61.4 -> 46.7 IoU'),
        dict(text='15 layers of CBM are better than 15 of LSTM of equal width', higher='CBM-15',
             lower='LSTM-15', published='UCF-101 79.8 against 68.9, HMDB-51 40.2 against 34.2'),
        dict(text='15 layers of CBM are better than 15 of LSTM with as many parameters',
             higher='CBM-15', lower='LSTM-equal-15', published='not given'),
        dict(text='15 layers of CBM are better than 1 of LSTM', higher='CBM-15', lower='LSTM-1',
             published='UCF-101 79.8 against 71.1, HMDB-51 40.2 against 36.0'),
        dict(text='Without shortcuts 15 layers of LSTM are worse than 1', higher='LSTM-1',
             lower='LSTM-15-plain', published='polygons from 2 to 15 layers 61.4 -> 46.7 IoU'),
        dict(text='Without shortcuts 15 layers of CBM are better than 15 of LSTM',
             higher='CBM-15-plain', lower='LSTM-15-plain',
             published='polygons 70.4 against 46.7 IoU'),
    ],
    quick=dict(cells=['CBM-1', 'LSTM-equal-1'], only=_base_.tiny,
               tasks=['early_cue', 'motion_clips']))
