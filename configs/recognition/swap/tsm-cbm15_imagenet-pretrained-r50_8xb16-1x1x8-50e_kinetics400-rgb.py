"""MMAction2's TSM with 15 CBM layers before its classifier."""
_base_ = 'mmaction::recognition/tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb.py'
custom_imports = dict(imports=['cbm_plugin.recognition'])
model = dict(
    type='RecurrentRecognizer',
    neck=dict(
        type='RecurrentNeck', in_channels=2048, hidden_channels=[512] * 15, variant='backbone'),
    cls_head=dict(_delete_=True, type='RecurrentHead', num_classes=400, in_channels=512))
test_dataloader = _base_.val_dataloader  # one view: the base's is ten crops
