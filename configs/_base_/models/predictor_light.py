"""A light predictor for frames of 64x64: 15 narrow CBM layers on maps of 16x16."""
model = dict(
    type='VideoPredictor',
    network=dict(
        type='PatchNetwork',
        patch=4,  # pixels: maps of 16x16, as OpenSTL's ConvLSTM has
        hidden_channels=[16] * 15,
        layer=dict(type='CBM', activation='relu', norm='BN'),
        shortcuts=5),
    losses=[dict(type='FrameMSELoss')],
    feeding='feedback')
