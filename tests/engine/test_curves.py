"""Curves: what was trained is drawn, over all starts of a run, and no failure ends a training."""
import json
from pathlib import Path

import cbm_plugin  # noqa: F401  (absorbs upstream faults)

# isort: split
import cv2
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner

from cbm_plugin.engine import curves
from cbm_plugin.engine.curves import CurvesHook, draw_curves, read_history


def write_log(work_dir: Path, start: str, rows: list) -> Path:
    """One start's log, as MMEngine's LoggerHook and LocalVisBackend write it."""
    log = work_dir / start / 'vis_data' / f'{start}.json'
    log.parent.mkdir(parents=True)
    log.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    (log.parent / 'scalars.json').write_text(log.read_text())
    return log


def train_row(iteration: int, loss: float, epoch: int = 1) -> dict:
    return dict(lr=0.1, loss=loss, loss_cls=loss - 0.5, coherence=0.1, loss_coherence=0.5, time=0.2,
                epoch=epoch, iter=iteration, step=iteration)


def val_row(step: int, top1: float) -> dict:
    return {'acc/top1': top1, 'data_time': 0.1, 'time': 0.2, 'step': step}


def test_validation_counts_at_the_iteration_where_it_was_made(tmp_path):
    write_log(tmp_path, '20260101_000000', [
        train_row(10, 3.0), train_row(20, 2.0), val_row(1, 0.3), train_row(30, 1.0, epoch=2),
        train_row(40, 0.5, epoch=2), val_row(2, 0.6)])
    history = read_history(tmp_path)
    assert history.train['loss'] == [(10, 3.0), (20, 2.0), (30, 1.0), (40, 0.5)]
    assert history.val['acc/top1'] == [(20, 0.3), (40, 0.6)]
    assert history.iters_per_epoch == 20


def test_a_resumed_run_replaces_what_was_lost_with_the_weights(tmp_path):
    write_log(tmp_path, '20260101_000000', [
        train_row(10, 3.0), val_row(1, 0.3), train_row(20, 2.0, 2), val_row(2, 0.4),
        train_row(30, 9.0, 3), val_row(3, 0.9), train_row(40, 9.0, 4)])
    write_log(tmp_path, '20260101_000100', [train_row(30, 1.0, 3), val_row(3, 0.5)])
    history = read_history(tmp_path)
    assert history.train['loss'] == [(10, 3.0), (20, 2.0), (30, 1.0)]
    assert history.val['acc/top1'] == [(10, 0.3), (20, 0.4), (30, 0.5)]


def test_a_validation_made_again_after_a_kill_replaces_the_first(tmp_path):
    write_log(tmp_path, '20260101_000000', [
        train_row(10, 3.0), train_row(20, 2.0), val_row(1, 0.3), train_row(30, 9.0, 2)])
    write_log(tmp_path, '20260101_000100', [
        val_row(1, 0.3), train_row(30, 1.0, 2), train_row(40, 0.5, 2), val_row(2, 0.6)])
    history = read_history(tmp_path)
    assert history.train['loss'] == [(10, 3.0), (20, 2.0), (30, 1.0), (40, 0.5)]
    assert history.val['acc/top1'] == [(20, 0.3), (40, 0.6)]


def test_a_last_validation_made_up_for_by_a_start_without_training_counts(tmp_path):
    write_log(tmp_path, '20260101_000000', [
        train_row(10, 3.0), val_row(1, 0.3), train_row(20, 2.0, 2)])
    write_log(tmp_path, '20260101_000100', [val_row(2, 0.6)])
    assert read_history(tmp_path).val['acc/top1'] == [(10, 0.3), (20, 0.6)]


def test_a_run_started_anew_in_the_same_folder_replaces_the_old_one(tmp_path):
    write_log(tmp_path, '20260101_000000', [train_row(10, 3.0), train_row(20, 2.0)])
    write_log(tmp_path, '20260102_000000', [train_row(10, 7.0)])
    assert read_history(tmp_path).train['loss'] == [(10, 7.0)]


def test_a_test_or_a_start_without_training_changes_nothing(tmp_path):
    write_log(tmp_path, '20260101_000000', [train_row(10, 3.0), val_row(1, 0.3)])
    write_log(tmp_path, '20260102_000000', [val_row(0, 0.1)])
    (tmp_path / '20260103_000000').mkdir()
    (tmp_path / '20260103_000000' / '20260103_000000.json').write_text('{"acc/top1": 0.2}')
    history = read_history(tmp_path)
    assert history.val['acc/top1'] == [(10, 0.3)]


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path):
    log = write_log(tmp_path, '20260101_000000', [train_row(10, 3.0)])
    log.write_text(log.read_text() + '{"loss": 2.0, "it')
    assert read_history(tmp_path).train['loss'] == [(10, 3.0)]


def test_iterations_by_number_need_no_epochs(tmp_path):
    rows = [{k: v for k, v in train_row(i, 1.0).items() if k != 'epoch'} for i in (50, 100)]
    write_log(tmp_path, '20260101_000000', [rows[0], rows[1], val_row(120, 0.4)])
    history = read_history(tmp_path)
    assert history.iters_per_epoch is None
    assert history.val['acc/top1'] == [(120, 0.4)]


def test_names_with_the_mode_before_them_are_understood(tmp_path):
    write_log(tmp_path, '20260101_000000', [{'train/loss': 2.0, 'iter': 10, 'step': 10},
                                            {'val/acc/top1': 0.5, 'step': 1}])
    history = read_history(tmp_path)
    assert history.train['loss'] == [(10, 2.0)] and history.val['acc/top1'] == [(10, 0.5)]


def test_a_folder_without_a_training_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=f'{tmp_path} holds no log of a training.*LocalVisBackend'):
        draw_curves([tmp_path], tmp_path / 'curves.png')


def drawn_panels(monkeypatch, work_dirs, out) -> dict:
    """Labels of the curves in each panel of a picture."""
    panels = {}
    draw = curves._draw_panel

    def keep(axes, title, chosen):
        draw(axes, title, chosen)
        panels[title] = [line.get_label() for line in axes.get_lines()]

    monkeypatch.setattr(curves, '_draw_panel', keep)
    assert draw_curves(work_dirs, out) == out
    assert cv2.imread(str(out)).std() > 5
    return panels


def test_loss_and_its_parts_coherence_and_accuracy_have_a_panel_each(tmp_path, monkeypatch):
    write_log(tmp_path, '20260101_000000', [
        {**train_row(10, 3.0), 'coherence_weight': 0.1, 'top1_acc': 0.2}, train_row(20, 2.0),
        {**val_row(1, 0.3), 'mse': 40.0}])
    panels = drawn_panels(monkeypatch, [tmp_path], tmp_path / 'curves.png')
    assert panels == {
        'training loss': ['loss', 'loss_cls', 'loss_coherence'],
        'coherence': ['coherence'],
        'accuracy': ['top1_acc (training)', 'acc/top1'],
        'validation': ['mse'],
    }


def test_several_runs_are_drawn_into_one_picture_and_told_apart(tmp_path, monkeypatch):
    for run in ('a/first', 'b/first'):
        write_log(tmp_path / run, '20260101_000000', [train_row(10, 3.0), train_row(20, 2.0, 2)])
    panels = drawn_panels(monkeypatch, [tmp_path / 'a/first', tmp_path / 'b/first'],
                          tmp_path / 'both.png')
    assert panels['coherence'] == ['a/first: coherence', 'b/first: coherence']


class Line(BaseModel):

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x: list, mode: str):
        loss = (self.weight - x[0])**2
        return dict(loss_cls=loss) if mode == 'loss' else [loss]


class Near(BaseMetric):
    default_prefix = 'acc'

    def process(self, batch: dict, outputs: list) -> None:
        self.results.append(float(outputs[0]))

    def compute_metrics(self, results: list) -> dict:
        return dict(top1=1 / (1 + results[0]))


def train(work_dir: Path, hook: CurvesHook) -> Runner:
    data = dict(dataset=[dict(x=1.0)] * 3, batch_size=1, num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False))
    name = f'{work_dir.parent.name}_{work_dir.name}'
    runner = Runner(
        Line(), str(work_dir), experiment_name=name,
        train_dataloader=data, train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), val_dataloader=data,
        default_scope='mmaction', val_cfg=dict(), val_evaluator=[Near()], custom_hooks=[hook],
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        visualizer=dict(
            type='Visualizer', name=name, vis_backends=[dict(type='LocalVisBackend')]))
    runner.train()
    return runner


def log_of(runner: Runner) -> str:
    return next(Path(runner.log_dir).glob('*.log')).read_text()


def test_a_real_training_ends_with_its_curves_and_logs_where_they_are(tmp_path):
    runner = train(tmp_path / 'run', CurvesHook())
    history = read_history(tmp_path / 'run')
    assert [i for i, _ in history.train['loss']] == [1, 2, 3, 4, 5, 6]
    assert [i for i, _ in history.val['acc/top1']] == [3, 6]
    assert history.iters_per_epoch == 3
    assert cv2.imread(str(tmp_path / 'run' / 'curves.png')) is not None
    assert f'Curves of this training: {tmp_path}/run/curves.png' in log_of(runner)


def test_a_failure_to_draw_is_logged_and_the_training_ends_well(tmp_path):
    runner = train(tmp_path / 'run', CurvesHook(out='no_format.xyz'))
    assert runner.iter == 6
    assert 'Drew no curves: ValueError: Format' in log_of(runner)
