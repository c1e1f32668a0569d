"""How often should T be cut off from its input in training?"""
_base_ = '_base_/tasks.py'

hooks = [dict(type='SeedIterationHook'), dict(type='VideoFaultHook', max_share=0.1),
         dict(type='CurvesHook')]
coherence = dict(  # as the task's config has it
    early_cue=dict(weight=0, state='reset'), motion_clips=dict(weight=0.8, state='reset'),
    dark_actions=dict(weight=0, state='carry'))
falling = dict(type='TemporalDropoutHook', start=1.0, end=0.0)

study = dict(
    question='How often should the temporal flow T learn nothing through its input: never, in 25, '
    '50 or 75% of the time steps, always, or less and less often during training?',
    source='section 5, analysis on the TD rate',
    equal='updates',
    x_label='rate of temporal dropout',
    tasks=dict(
        early_cue=_base_.early_cue, ucf101_features=_base_.ucf101_features,
        motion_clips=_base_.motion_clips, dark_actions=_base_.dark_actions),
    cells=[
        *[dict(name=f'rate-{rate}', series='constant', x=rate, options={
            'model.neck.layer.temporal_dropout': rate, 'model.neck.shortcuts': 5})
            for rate in (0.0, 0.25, 0.5, 0.75, 1.0)],
        dict(name='falling', series='from 1 to 0', x=0.5, options={'model.neck.shortcuts': 5},
             only={
            'ucf101_features': {'custom_hooks': [*hooks, falling]},
            **{task: {'custom_hooks': [*hooks, dict(type='CoherenceHook', **options), falling]}
               for task, options in coherence.items()}}),
    ],
    claims=[
        dict(text='A rate of 0.5 is the best', higher=['rate-0.5'] * 4,
             lower=['rate-0.0', 'rate-0.25', 'rate-0.75', 'rate-1.0'],
             published='0.5 is the best of the five'),
        dict(text='Temporal dropout is better than none', higher='rate-0.5', lower='rate-0.0',
             published='direction only'),
        dict(text='A rate that falls from 1 to 0 is better than 0.5', higher='falling',
             lower='rate-0.5', published='not in the paper'),
    ],
    quick=dict(cells=['rate-1.0', 'falling'], only=_base_.tiny, tasks=['early_cue']))
