"""MCnet with 15 CBM layers in its core, as published: 35.9M parameters, 26.5M in the core.

Without the adversarial loss, whose discriminator depends on the number and the size of the frames:
configs/prediction/kth adds it. Frames may have any size that is a multiple of 8.
"""
model = dict(
    type='VideoPredictor',
    network=dict(
        type='MCnet',
        channels=1,
        width=64,
        hidden_channels=[256] * 15,
        variant='prediction'),  # ReLU, no norm, a shortcut every 5 layers
    losses=[
        dict(type='FrameMSELoss', weight=4.0),  # as between frames in [-1, 1]
        dict(type='GradientDifferenceLoss')],
    feeding='feedback')
