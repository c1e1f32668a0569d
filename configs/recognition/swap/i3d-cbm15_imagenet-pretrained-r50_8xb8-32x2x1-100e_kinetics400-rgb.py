"""MMAction2's I3D with 15 CBM layers over the time axis of its maps."""
_base_ = 'mmaction::recognition/i3d/i3d_imagenet-pretrained-r50_8xb8-32x2x1-100e_kinetics400-rgb.py'
custom_imports = dict(imports=['cbm_plugin.recognition'])
model = dict(
    type='RecurrentRecognizer',
    neck=dict(
        type='RecurrentNeck', in_channels=2048, hidden_channels=[512] * 15, variant='backbone'),
    cls_head=dict(_delete_=True, type='RecurrentHead', num_classes=400, in_channels=512))
test_dataloader = _base_.val_dataloader  # one view: the base's is ten clips x three crops
