"""The paper's Polygon-RNN: VGG16-BN, 15 CBM layers at 28x28, an LSTM and its classifier."""
model = dict(
    type='PolygonRNN',
    backbone=dict(
        type='PolygonVGG', depth=16,
        pretrained='https://download.pytorch.org/models/vgg16_bn-6c64b313.pth'),
    feature_channels=128,
    grid_size=28,
    rnn=dict(
        variant='polygon',
        hidden_channels=[256] * 2 + [128] * 4 + [64] * 6 + [32, 32, 8]),  # 5.85M parameters
    head=dict(type='LSTMVertexHead'),
    test_cfg=dict(beam_width=1, max_vertices=60))
