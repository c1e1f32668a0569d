"""A training of a single weight, for what a runner does around a training."""
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner

import cbm_plugin  # noqa: F401  (absorbs upstream faults)

# isort: split
import mmaction.datasets  # noqa: F401
import mmaction.engine  # noqa: F401  (here, and not in each process that a test forks)
import torch
import torch._dynamo

import cbm_plugin.engine  # noqa: F401  (registers its parts)


class OneWeight(BaseModel):
    """Goes to the numbers it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1000))  # a checkpoint larger than the log

    def forward(self, x: Any, mode: str) -> Any:
        loss = ((self.weight - x[0])**2).mean()
        return dict(loss=loss) if mode == 'loss' else [loss]


class Nearness(BaseMetric):
    """Better after every epoch."""
    default_prefix = 'acc'

    def process(self, batch: Any, outputs: list) -> None:
        self.results.append(float(outputs[0]))

    def compute_metrics(self, results: list) -> dict:
        return dict(top1=1 / (1 + results[0]))


def small_run(work_dir: Path, epochs: int = 2, resume: bool = False, **checkpoint: Any) -> Runner:
    """A runner of 3 iterations an epoch, with a validation after each.

    Args:
        work_dir: of this run alone.
        epochs: to train.
        resume: from what ``last_checkpoint`` names.
        checkpoint: options of the checkpoint hook.
    """
    data = dict(dataset=[dict(x=1.0)] * 3, batch_size=1, num_workers=0,
                sampler=dict(type='SeededSampler', shuffle=False))
    hook = dict(type='WholeCheckpointHook', interval=1, save_best='auto', max_keep_ckpts=2)
    small_run.number += 1  # MMEngine keeps a log for each name, and runs of one process apart by it
    name = f'{work_dir.name}_{small_run.number}'
    return Runner(
        OneWeight(), str(work_dir), experiment_name=name, train_dataloader=data,
        train_cfg=dict(type='ResumableEpochLoop', max_epochs=epochs), val_dataloader=data,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)), val_cfg=dict(),
        val_evaluator=[Nearness()], default_scope='mmaction', resume=resume,
        default_hooks=dict(checkpoint={**hook, **checkpoint},
                           logger=dict(type='LoggerHook', interval=1)),
        visualizer=dict(type='Visualizer', name=name,
                        vis_backends=[dict(type='LocalVisBackend')]),
        cfg=Config())


small_run.number = 0
