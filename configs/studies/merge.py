"""How do the two flows become one again: by product, sum, maximum or concatenation?"""
_base_ = '_base_/tasks.py'

study = dict(
    question='How do the two flows become one again: by product, sum, maximum, or concatenation '
    'and a 1x1 convolution?',
    source='section 5, analysis on the merge function',
    equal='updates',
    tasks=dict(
        early_cue=_base_.early_cue, ucf101_features=_base_.ucf101_features,
        motion_clips=_base_.motion_clips, dark_actions=_base_.dark_actions),
    cells=[dict(name=merge, options={'model.neck.layer.merge': merge, 'model.neck.shortcuts': 5})
           for merge in ('product', 'sum', 'max', 'concat')],
    claims=[
        dict(text='The product is the best merge', higher=['product'] * 3,
             lower=['sum', 'max', 'concat'], published='direction only'),
    ],
    quick=dict(cells=['product', 'concat'], only=_base_.tiny, tasks=['early_cue']))
