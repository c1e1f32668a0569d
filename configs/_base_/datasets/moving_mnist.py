"""Moving MNIST, 10 frames seen and 10 to predict:  DATA_ROOT=... python tools/train.py ...

DATA_ROOT holds MNIST's files of images, train-images-idx3-ubyte.gz and t10k-images-idx3-ubyte.gz.
Train sequences are drawn anew in every epoch, of all train digits but the last 5,000. Of these are
the sequences for validation, which is not the test set: no checkpoint is chosen by test digits.
Test sequences are drawn of the test digits by the published protocol. To test on the published
sequences, which others' results are of, put their file into DATA_ROOT too:
--cfg-options test_dataloader.dataset.test_file=mnist_test_seq.npy
"""
data_root = '{{$DATA_ROOT:data/mnist}}'
num_inputs = 10
num_outputs = 10
image_size = 64
channels = 1

pipeline = [dict(type='PackFrames')]
sequences = dict(type='MovingMNIST', data_root=data_root, num_inputs=num_inputs,
                 num_outputs=num_outputs, num_digits=2, size=image_size, pipeline=pipeline)

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(split='train', num_sequences=10000, **sequences))
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', num_sequences=256, test_mode=True, **sequences))
test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', num_sequences=10000, test_mode=True, **sequences))

val_evaluator = dict(type='FramePredictionMetric')
test_evaluator = val_evaluator
