"""A tiny recognizer and tiny batches: real modules, small numbers."""
from typing import List, Optional, Sequence

import torch
from mmaction.structures import ActionDataSample
from mmengine.optim import OptimWrapper

import cbm_plugin.recognition  # noqa: F401  (registers everything)
from cbm_plugin.overlap import ClipPlan
from cbm_plugin.recognition import RecurrentRecognizer
from cbm_plugin.registry import MODELS

CLASSES = 3


def tiny_recognizer(norm: Optional[str] = 'GN', seed: int = 0, temporal_dropout: float = 0.0,
                    **model: object) -> RecurrentRecognizer:
    """Two CBM layers of 4 channels; no randomness in training unless asked for."""
    torch.manual_seed(seed)
    config = dict(
        type='RecurrentRecognizer',
        data_preprocessor=dict(type='SequencePreprocessor', mean=[127.5] * 3, std=[63.0] * 3),
        backbone=dict(type='SmallConvNet', channels=(4,), strides=(2,)),
        neck=dict(type='RecurrentNeck', in_channels=4, hidden_channels=[4, 4],
                  layer=dict(type='CBM', norm=norm, temporal_dropout=temporal_dropout)),
        cls_head=dict(type='RecurrentHead', num_classes=CLASSES, in_channels=4, dropout_ratio=0.0,
                      init_std=0.5, topk=1))
    config.update(model)
    recognizer = MODELS.build(config)
    recognizer.cls_head.init_weights()
    backbone_norm = recognizer.backbone.stages[0]
    backbone_norm[1] = torch.nn.GroupNorm(2, 4)  # no batch statistics: items are independent
    return recognizer


def sample(label: int, plan: Optional[ClipPlan] = None) -> ActionDataSample:
    made = ActionDataSample().set_gt_label(label)
    if plan is not None:
        made.set_field(plan, 'clip_plan')
    return made


def batch(plans: Sequence[ClipPlan], seed: int = 0, size: int = 8, keep_plan: bool = True) -> dict:
    """What a data loader gives: the frames that each plan needs, and its label."""
    generator = torch.Generator().manual_seed(seed)
    inputs: List[torch.Tensor] = []
    for plan in plans:
        whole = torch.randint(0, 256, (plan.length, 3, size, size), generator=generator,
                              dtype=torch.uint8)
        inputs.append(whole[plan.positions])
    samples = [sample(i % CLASSES, plan if keep_plan else None) for i, plan in enumerate(plans)]
    return dict(inputs=inputs, data_samples=samples)


def sgd(model: torch.nn.Module, **options: object) -> OptimWrapper:
    """A plain optimizer: the change of a weight is its gradient."""
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), **options)


def weights(model: torch.nn.Module) -> List[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]
