"""The hook draws the same sequences of a real validation, and ends no training."""
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner
from PIL import Image
from torch import Tensor

import cbm_plugin.prediction.training.predictor
import cbm_plugin.prediction.training.preprocessor  # noqa: F401  (registers both)
from cbm_plugin.prediction.data.pack import PackFrames
from cbm_plugin.prediction.network.frame_network import FrameNetwork
from cbm_plugin.prediction.pictures import hook as hooks
from cbm_plugin.prediction.pictures.hook import PredictionPicturesHook
from cbm_plugin.prediction.training.losses import FrameMSELoss  # noqa: F401  (registers)
from cbm_plugin.registry import MODELS


@MODELS.register_module(force=True)
class Fading(FrameNetwork):
    """The next frame is this one, times what is learnt."""

    def __init__(self) -> None:
        super().__init__(channels=1)
        self.factor = torch.nn.Parameter(torch.tensor(0.5))

    def next_frames(self, frames: Tensor, state: Any = None, lengths: Any = None,
                    state_at: Any = None) -> tuple:
        return frames * self.factor, ()

    def step(self, frame: Tensor, state: Any) -> tuple:
        return frame * self.factor, ()


class Nothing(BaseMetric):

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list) -> dict:
        return {}


def data(number: int = 5) -> List[dict]:
    """Sequences of one black-to-white ramp each, 2 frames seen and 2 to come."""
    ramp = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8, 1)
    return [PackFrames()(dict(imgs=[np.roll(ramp, index + step) for step in range(4)],
                              num_inputs=2, name=f'ramp {index}')) for index in range(number)]


def run(work_dir: Path, hook: PredictionPicturesHook, use: str = 'train',
        **train_cfg: Any) -> Runner:
    loader = dict(dataset=data(), batch_size=2, num_workers=0, collate_fn=dict(
        type='pseudo_collate'), sampler=dict(type='DefaultSampler', shuffle=False))
    splits = dict(train=dict(
        train_dataloader=loader, val_dataloader=loader, val_cfg=dict(), val_evaluator=[Nothing()],
        train_cfg=train_cfg or dict(by_epoch=True, max_epochs=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1))),
        val=dict(val_dataloader=loader, val_cfg=dict(), val_evaluator=[Nothing()]),
        test=dict(test_dataloader=loader, test_cfg=dict(), test_evaluator=[Nothing()]))
    name = f'{work_dir.parent.name}_{work_dir.name}'
    runner = Runner(
        MODELS.build(dict(type='VideoPredictor', network=dict(type='Fading'))), str(work_dir),
        experiment_name=name, default_scope='mmaction', custom_hooks=[hook],
        default_hooks=dict(checkpoint=None), visualizer=dict(type='Visualizer', name=name,
                                                             vis_backends=[]), **splits[use])
    getattr(runner, use)()
    return runner


def made(runner: Runner) -> List[str]:
    root = Path(runner.work_dir) / 'pictures'
    return sorted(str(path.relative_to(root)) for path in root.rglob('*') if path.is_file())


def test_the_first_sequences_are_drawn_after_every_validation(tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch
                                                              ) -> None:
    drawn = []
    monkeypatch.setattr(hooks, 'write_strips', lambda path, sequences, **options: drawn.append(
        (path.parent.name, [shown.name for shown in sequences],
         float(sequences[0].predictions['prediction'].mean()))))
    run(tmp_path / 'run', PredictionPicturesHook(num_samples=3, animate=False))
    names = ['ramp 0', 'ramp 1', 'ramp 2']
    assert [row[:2] for row in drawn] == [(f'epoch_{n}', names) for n in (1, 2, 3)]
    assert len({row[2] for row in drawn}) == 3  # the model has learnt


def test_a_training_leaves_strips_and_animations_of_each_interval_and_of_its_end(
        tmp_path: Path) -> None:
    runner = run(tmp_path / 'run', PredictionPicturesHook(num_samples=1, interval=2))
    assert made(runner) == [f'epoch_{n}/{name}' for n in (2, 3)
                            for name in ('sequence_0.gif', 'strips.png')]
    pictures = tmp_path / 'run/pictures'
    with Image.open(pictures / 'epoch_3/sequence_0.gif') as gif:
        assert gif.n_frames == 4
    strips = [np.asarray(Image.open(pictures / f'epoch_{n}/strips.png')) for n in (2, 3)]
    assert strips[0].shape == strips[1].shape and not np.array_equal(*strips)


def test_a_training_that_counts_iterations_names_folders_by_them(tmp_path: Path) -> None:
    runner = run(tmp_path / 'run', PredictionPicturesHook(num_samples=1, interval=2, animate=False),
                 by_epoch=False, max_iters=12, val_interval=3)
    assert made(runner) == ['iter_12/strips.png', 'iter_6/strips.png']


@pytest.mark.parametrize('use', ['val', 'test'])
def test_validation_and_test_alone_have_a_folder_of_their_own(tmp_path: Path, use: str) -> None:
    runner = run(tmp_path / 'run', PredictionPicturesHook(num_samples=9, interval=7), use)
    assert made(runner) == [*(f'{use}/sequence_{n}.gif' for n in range(5)), f'{use}/strips.png']


def test_an_interval_that_does_not_match_keeps_no_sample(tmp_path: Path) -> None:
    hook = PredictionPicturesHook(interval=2)
    kept, keep = [], hook._keep
    hook._keep = lambda samples: (keep(samples), kept.append(len(hook._samples)))
    run(tmp_path / 'run', hook, by_epoch=True, max_epochs=2)
    assert kept == [0, 0, 0, 2, 4, 4] and hook._samples == []


def test_a_failure_to_draw_is_logged_and_the_training_ends_well(tmp_path: Path) -> None:
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/pictures').write_text('in the way')
    runner = run(tmp_path / 'run', PredictionPicturesHook(), by_epoch=True, max_epochs=1)
    assert runner.iter == 3
    log = next(Path(runner.log_dir).glob('*.log')).read_text()
    assert 'Drew no predictions: ' in log and 'Error' in log


@pytest.mark.parametrize('options, said', [
    (dict(num_samples=0), 'num_samples=0'), (dict(interval=0), 'interval=0'),
    (dict(difference='x'), "difference is 'x'"), (dict(difference_limit=2), 'limit is 2')])
def test_wrong_options_are_refused_before_the_training(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PredictionPicturesHook(**options)
