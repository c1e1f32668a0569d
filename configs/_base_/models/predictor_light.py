"""A light predictor for frames of 64x64: 15 narrow CBM layers on maps of 16x16."""
model = dict(
    type='VideoPredictor',
    network=dict(
        type='PatchNetwork',
        patch=4,  # pixels: maps of 16x16, as OpenSTL's ConvLSTM has
        hidden_channels=[16] * 15,
        # No norm, as published: with batch norm in R the first fifty updates go astray. No temporal
        # dropout and a shortcut around each layer: with 0.5 and a shortcut around every five, the
        # deeper layers hardly learn (error of the next frame after 250 updates about 100, not 89).
        layer=dict(type='CBM', activation='relu', norm=None, temporal_dropout=0.0),
        shortcuts=1),
    losses=[dict(type='FrameMSELoss')],
    # the truth at first, which is learnt from the fastest; at last only what testing feeds
    feeding=dict(start=1.0, end=0.0, begin=0.4, until=0.7),
    inputs_too=True)
