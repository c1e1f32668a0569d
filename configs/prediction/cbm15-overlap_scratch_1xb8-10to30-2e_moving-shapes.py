"""Long sequences as short overlapping clips, tied together by the coherence loss.

40 frames in the memory of 15: three clips of 14 to 20 frames that share 4 or more with the one
before. A later clip starts from zero, so that the loss on the overlap has something to say.
"""
_base_ = 'cbm15_scratch_1xb8-10to10-2e_moving-shapes.py'

num_outputs = 30
train_dataloader = dict(dataset=dict(num_outputs=num_outputs, pipeline=[
    dict(type='SampleFrameClips', num_clips=3, min_len=14, max_len=20, min_overlap=4),
    dict(type='PackFrames')
]))
val_dataloader = dict(dataset=dict(num_outputs=num_outputs))
test_dataloader = dict(dataset=dict(num_outputs=num_outputs))
model = dict(feeding='teacher')  # clips are fed the truth
custom_hooks = [
    dict(type='SeedIterationHook'),  # draws depend on (seed, iteration, rank): exact resume
    dict(type='PredictionPicturesHook'),
    dict(type='CurvesHook'),
    dict(type='CoherenceHook', weight=0.8, state='reset'),  # the paper's weight for polygons
]
