"""A Polygon-RNN that trains from scratch on two CPU cores: 15 narrow layers on 14x14 maps."""
channels = 16
model = dict(
    type='PolygonRNN',
    backbone=dict(type='SmallTrunk', channels=(16, 32, 48, 64)),
    feature_channels=channels * 2,
    grid_size=28,
    cells_per_feature=2,  # maps of 14x14: a quarter of the work
    rnn=dict(
        hidden_channels=[channels] * 15,
        layer=dict(type='CBM', activation='relu', norm='BN', temporal_dropout=0.5),
        shortcuts=5),
    spread=0.3,  # near misses count in part, and features are asked for all boundary cells: both
    dense=2.0,  # as in the first Polygon-RNN (CVPR 2017), to learn from few examples
    head=dict(type='MapVertexHead'),  # learns from few examples; the published LSTM needs many
    test_cfg=dict(beam_width=5, max_vertices=32))
