"""A light predictor for frames of 64x64: 15 narrow CBM layers on maps of 16x16."""
model = dict(
    type='VideoPredictor',
    network=dict(
        type='PatchNetwork',
        patch=4,  # pixels: maps of 16x16, as OpenSTL's ConvLSTM has
        hidden_channels=[16] * 15,
        # no norm, as published: with batch norm in R the first fifty updates go astray
        layer=dict(type='CBM', activation='relu', norm=None),
        shortcuts=5),
    losses=[dict(type='FrameMSELoss')],
    feeding='scheduled',  # the truth first, in one pass; from mid-training on what testing feeds
    inputs_too=True)
