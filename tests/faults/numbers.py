"""Batches that overflow, in files of features: the training stops or goes on without them."""
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from cbm_plugin.progress import Progress

from .features import EPOCHS, VIDEOS, features_config, write_features
from .outcome import Outcome


class LeaveOut(Hook):
    """Takes no step on batches with a video: what a training without its numbers would be.

    Where several processes train, none of them takes a step when the batch of one has it.
    """

    def __init__(self, video: str) -> None:
        self.video = video
        self.iterations: List[int] = []
        self.weights: Dict[str, Tensor] = {}

    def before_train(self, runner: Runner) -> None:
        step = runner.model.train_step

        def step_or_not(data: dict, optim_wrapper: object) -> dict:
            names = [sample.metainfo['video_id'] for sample in data['data_samples']]
            if not any(self.video in names for names in all_gather_object(names)):
                return step(data, optim_wrapper)
            self.iterations.append(runner.iter + 1)
            self.weights = self.weights or copied(runner.model.state_dict())
            return {}

        runner.model.train_step = step_or_not

    def after_train(self, runner: Runner) -> None:
        vars(runner.model).pop('train_step', None)


def run(folder: Path, tried: int, seed: int) -> List[Outcome]:
    """Spoil one video after another, and train on each file by both options."""
    rng = np.random.default_rng(seed)
    progress = Progress('numbers', tried)
    stopped, skipped, lost_by_stop, lost_by_skip = 0, 0, 0, 0
    for case in range(tried):
        place, video, data_seed = folder / str(case), int(rng.integers(VIDEOS)), seed + case
        write_features(place / 'good', data_seed)
        write_features(place / 'bad', data_seed, bad=video)
        without = LeaveOut(f'v{video}')
        reference = train(place, 'good', 'without', hook=without)
        found = stop(place, without)
        stopped += found is not None
        lost_by_stop += differing(found or {}, without.weights)
        skipping = train(place, 'bad', 'skip', action='skip')
        skipped += skips_noted(skipping) == without.iterations
        lost_by_skip += differing(state(skipping), state(reference))
        progress.update(case + 1)
    return [
        Outcome('a batch overflows: training stops, the batch and the weights before it are saved',
                tried, stopped, lost_by_stop, 'the weights saved, to the last bit'),
        Outcome('a batch overflows in every epoch: skipped and counted', tried, skipped,
                lost_by_skip, f'weights and optimizer after {EPOCHS} epochs, compared with those '
                              'of a training that never saw the batches, to the last bit')]


def stop(place: Path, without: LeaveOut) -> Optional[Dict[str, Tensor]]:
    """The weights that a stopped training saved, if it stopped where and as it should."""
    first = without.iterations[0]
    try:
        train(place, 'bad', 'stop')
    except FloatingPointError as error:
        path = place / 'stop' / f'nonfinite_iter_{first}.pth'
        if f'is not finite in iteration {first} ' not in str(error) or not path.is_file():
            return None
        saved = torch.load(path, weights_only=True)
        return saved['state_dict'] if without.video in saved['names'] else None
    return None


def train(place: Path, data: str, name: str, action: str = 'stop',
          hook: Optional[Hook] = None) -> Runner:
    """A training on one of the two files of a case."""
    runner = Runner.from_cfg(features_config(place / data, place / name,
                                             **{'default_hooks.numbers.action': action}))
    if hook is not None:
        runner.register_hook(hook)
    runner.train()
    return runner


def skips_noted(runner: Runner) -> List[int]:
    """The iterations that the log says were skipped."""
    log = next(Path(runner.work_dir).glob('*/*.log')).read_text()
    lines = [line for line in log.splitlines() if 'iteration skipped, the ' in line]
    return [int(line.split('in iteration ')[1].split()[0]) for line in lines]


def state(runner: Runner) -> Dict[str, Tensor]:
    """All tensors of the model and of its optimizer."""
    moments = {f'{number}/{name}': value
               for number, of_one in runner.optim_wrapper.state_dict()['state'].items()
               for name, value in of_one.items()}
    return copied({**runner.model.state_dict(), **moments})


def copied(tensors: Dict[str, Tensor]) -> Dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}


def differing(ours: Dict[str, Tensor], theirs: Dict[str, Tensor]) -> int:
    """How many tensors are missing or not the same to the last bit."""
    return sum(name not in ours or not torch.equal(ours[name], value)
               for name, value in theirs.items())
