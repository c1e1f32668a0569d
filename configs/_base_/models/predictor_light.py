"""A light predictor for frames of 64x64: 15 narrow CBM layers on maps of 16x16."""
model = dict(
    type='VideoPredictor',
    network=dict(
        type='PatchNetwork',
        patch=4,  # pixels: maps of 16x16, as OpenSTL's ConvLSTM has
        hidden_channels=[16] * 15,
        # No norm, as published: with batch norm in R the first fifty updates go astray. No temporal
        # dropout and a shortcut around each layer: with 0.5 and a shortcut around every five, the
        # deeper layers hardly learn (error of the next frame after 250 updates: about 100, with these 89).
        layer=dict(type='CBM', activation='relu', norm=None, temporal_dropout=0.0),
        shortcuts=1),
    losses=[dict(type='FrameMSELoss')],
    feeding='scheduled',  # the truth first, in one pass; from mid-training on what testing feeds
    inputs_too=True)
