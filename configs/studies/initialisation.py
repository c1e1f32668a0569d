"""How should T start: how long does its state remember, and what does that do to each task?

`python tools/analysis_tools/state_survival.py` measures what is left of a change of the state.
"""
_base_ = '_base_/tasks.py'

starts = {
    'near-identity': 'near_identity',
    'xavier-1': dict(type='xavier', gain=1.0),
    'xavier-3': dict(type='xavier', gain=3.0),
    'default': 'default',
}

study = dict(
    question='How should T start: near the identity, by Xavier with gain 1 or 3 (the authors), or '
    "by PyTorch's default? What does it do to each task?",
    source='section 4.1, implementation',
    equal='updates',
    tasks=dict(
        early_cue=_base_.early_cue, ucf101_features=_base_.ucf101_features,
        motion_clips=_base_.motion_clips, dark_actions=_base_.dark_actions),
    cells=[dict(name=name, options={'model.neck.layer.init': init, 'model.neck.shortcuts': 5})
           for name, init in starts.items()],
    claims=[
        dict(text='A start near the identity is better than Xavier with gain 3',
             higher='near-identity', lower='xavier-3', published='not in the paper'),
        dict(text='Xavier with gain 3 is better than with gain 1 and than the default',
             higher=['xavier-3'] * 2, lower=['xavier-1', 'default'],
             published='gain 3 is used, not compared'),
    ],
    quick=dict(cells=['near-identity', 'xavier-3'], only=_base_.tiny, tasks=['early_cue']))
