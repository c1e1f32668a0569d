"""MCnet with 15 CBM layers in its core, as published: 35.9M parameters, 26.5M in the core."""
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
