"""MCnet as it was, with one ConvLSTM layer: 14.1M parameters. Published: PSNR 25.9, SSIM 0.804."""
_base_ = 'mcnet-cbm15_scratch_1xb8-10to10-520e_kth.py'

model = dict(network=dict(
    hidden_channels=[256], layer=dict(type='ConvLSTM'), shortcuts=None))
