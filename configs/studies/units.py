"""Is CBM better than other recurrent units, and what of it makes the difference?"""
_base_ = '_base_/tasks.py'

vectors = ['early_cue', 'ucf101_features']  # here LSTM means LSTM, on maps it means ConvLSTM
maps = ['motion_clips', 'dark_actions']
width = dict(early_cue=64, ucf101_features=256, motion_clips=16, dark_actions=16)


def cbm(prefix, **options):
    """CBM layers with the norm and the temporal dropout of the task's config."""
    return {f'model.neck.layer.{key}': dict(type=prefix + kind) if key == 'temporal' else kind
            for key, kind in options.items()}


def other(kind, norm):
    """Layers of another kind. Batch norm fails within their recurrence: group norm on maps."""
    return {'model.neck.layer': dict(_delete_=True, type=kind, norm=norm)}


kinds = {}
"""For each unit its options, by prefix of the layers' names."""
for name, unit in {'CBM': {}, 'CBM-of-LSTM': dict(temporal='LSTM'),
                   'CBM-of-GRU': dict(temporal='GRU'),
                   'CBM-without-bridge': dict(bridge=False)}.items():
    kinds[name] = {'': cbm('', **unit), 'Conv': cbm('Conv', **unit)}
for name in ('LSTM', 'GRU', 'RNN'):
    kinds[name] = {'': other(name, None), 'Conv': other(f'Conv{name}', 'GN')}

study = dict(
    question='Is CBM better than LSTM, GRU and a plain RNN (on maps: ConvLSTM, ConvGRU, ConvRNN), '
    'with 1 layer and with 15, at equal width? Is it the bridge, or the unit T?',
    source='section 5, analysis on CBM',
    equal='updates',
    x_label='layers',
    tasks=dict(
        early_cue=_base_.early_cue, ucf101_features=_base_.ucf101_features,
        motion_clips=_base_.motion_clips, dark_actions=_base_.dark_actions),
    cells=[
        dict(name=f'{name}-{depth}', series=name, x=depth, only={
            task: {**options['' if task in vectors else 'Conv'],
                   'model.neck.hidden_channels': [width[task]] * depth,
                   'model.neck.shortcuts': 5}
            for task in [*vectors, *maps]})
        for depth in (1, 15) for name, options in kinds.items()],
    claims=[
        dict(text='15 layers of CBM are better than 15 of any other unit',
             higher=['CBM-15'] * 3, lower=['LSTM-15', 'GRU-15', 'RNN-15'],
             published='UCF-101 79.8 against 68.9 (ConvLSTM), HMDB-51 40.2 against 34.2'),
        dict(text='1 layer of LSTM is better than 1 of CBM', higher='LSTM-1', lower='CBM-1',
             published='UCF-101 71.1 against 65.3, HMDB-51 36.0 against 34.3'),
        dict(text='The bridge makes 15 layers better', higher='CBM-15',
             lower='CBM-without-bridge-15', published='direction only'),
        dict(text='LSTM and GRU as the T of 15 layers are better than alone',
             higher=['CBM-of-LSTM-15', 'CBM-of-GRU-15'], lower=['LSTM-15', 'GRU-15'],
             published='direction only'),
    ],
    quick=dict(cells=['CBM-of-LSTM-1', 'GRU-1'], only=_base_.tiny, tasks=['motion_clips']))
