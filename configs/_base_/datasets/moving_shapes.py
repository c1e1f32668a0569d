"""Moving shapes: 2 shapes that move, turn, bounce and hide each other; drawn when needed, no files.

64x64 grey, 10 frames seen and 10 to predict. Train sequences are drawn anew in every epoch.
"""
num_inputs = 10
num_outputs = 10
image_size = 64
channels = 1

pipeline = [dict(type='PackFrames')]
sequences = dict(type='MovingShapes', num_inputs=num_inputs, num_outputs=num_outputs,
                 size=image_size, num_shapes=2, pipeline=pipeline)

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(split='train', num_sequences=8000, **sequences))
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', num_sequences=200, test_mode=True, **sequences))
# tested on sequences that neither training nor the choice of the checkpoint has seen
test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', num_sequences=1000, test_mode=True, **sequences))

val_evaluator = dict(type='FramePredictionMetric')
test_evaluator = val_evaluator
