"""What norm makes deep CBM stable in evaluation?"""
_base_ = '_base_/tasks.py'

norms = {
    'none': dict(norm=None),
    # as published: after R and after T, statistics of one time step
    'BN-published': dict(norm='BN', gate_norm='BN', statistics='step'),
    'BN-both': dict(norm='BN', gate_norm='BN'),
    'BN-in-R': dict(norm='BN'),
    'BN-in-R-step': dict(norm='BN', statistics='step'),
    'GN-in-R': dict(norm='GN'),
    'GN-both': dict(norm='GN', gate_norm='GN'),
    'LN-in-R': dict(norm='LN'),
}

study = dict(
    question='What makes 15 layers of CBM stable in evaluation: no norm, batch norm as published, '
    'in R only, or of one time step, group norm, layer norm?',
    source='section 4.1, implementation',
    equal='updates',
    curves=True,
    tasks=dict(
        early_cue=_base_.early_cue, ucf101_features=_base_.ucf101_features,
        motion_clips=_base_.motion_clips, dark_actions=_base_.dark_actions),
    cells=[dict(name=name, options={
        'model.neck.shortcuts': 5,
        **{f'model.neck.layer.{key}': value for key, value in norm.items()}})
        for name, norm in norms.items()],
    claims=[
        dict(text='Batch norm in R alone is better than in R and T as published',
             higher='BN-in-R', lower='BN-published', published='not in the paper'),
        dict(text='Batch norm in R is better than no norm', higher='BN-in-R', lower='none',
             published='not in the paper'),
        dict(text='Group norm in R is better than batch norm in R', higher='GN-in-R',
             lower='BN-in-R', published='not in the paper'),
    ],
    quick=dict(cells=['BN-published', 'GN-in-R'], only=_base_.tiny, tasks=['early_cue']))
