"""Every study of configs/studies: all of its cells build, and its quick form trains and tests."""
import sys
from pathlib import Path
from typing import Iterator, List, Tuple

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from ..tiny_run import ROOT

sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))

from study_parts.configs import (  # noqa: E402
    count_parameters,
    merged_config,
    read_config,
    seeded_config,
)
from study_parts.definition import GENERATED, Study, read_study  # noqa: E402

STUDIES = sorted((ROOT / 'configs/studies').glob('*.py'))
NAMES = ['depth', 'initialisation', 'merge', 'norm', 'overlap', 'temporal_dropout', 'units']


def parameters(study: Study, task: str, cell: str) -> int:
    chosen = next(each for each in study.cells_of(task) if each.name == cell)
    base = read_config(study.tasks[task], None)
    with torch.device('meta'):  # without memory
        return count_parameters(merged_config(study, study.tasks[task], chosen, base), cell)


def quick_runs() -> Iterator[Tuple[Path, str, str]]:
    for path in STUDIES:
        study = read_study(path, quick=True)
        for task in study.tasks:
            for cell in study.cells_of(task):
                yield path, task, cell.name


def test_there_is_a_study_for_every_analysis() -> None:
    assert [path.stem for path in STUDIES] == NAMES


@pytest.mark.parametrize('path', STUDIES, ids=lambda path: path.stem)
def test_every_cell_of_a_study_builds_on_generated_and_on_real_data(path: Path) -> None:
    study = read_study(path)
    assert {task.data == GENERATED for task in study.tasks.values()} == {True, False}
    for task in study.tasks.values():
        base = read_config(task, None)
        assert study.cells_of(task.name)
        for cell in study.cells_of(task.name):
            with torch.device('meta'):
                cfg = merged_config(study, task, cell, base)
                assert count_parameters(cfg, cell.name) > 0
            seeded_config(cfg, task, 1, Path('data'))


@pytest.mark.parametrize('path, task, cell', list(quick_runs()), ids=lambda each: getattr(
    each, 'stem', each))
def test_the_quick_form_trains_and_reports_its_metrics(path: Path, task: str, cell: str,
                                                       tmp_path: Path) -> None:
    study = read_study(path, quick=True)
    chosen = next(each for each in study.cells_of(task) if each.name == cell)
    of_task = study.tasks[task]
    cfg = seeded_config(merged_config(study, of_task, chosen, read_config(of_task, None)),
                        of_task, of_task.seeds[0], tmp_path / 'data')
    cfg.work_dir, cfg.experiment_name = str(tmp_path / 'run'), f'{path.stem}-{task}-{cell}'
    cfg.visualizer.name = cfg.experiment_name
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    tested = runner.test()
    assert all(np.isfinite(tested[metric]) for metric in (of_task.metric, *of_task.also))


@pytest.mark.parametrize('depth', [1, 2, 5, 10, 15])
def test_lstms_of_equal_parameters_have_them_within_two_percent(depth: int) -> None:
    study = read_study(ROOT / 'configs/studies/depth.py')
    tasks: List[str] = [task for task in study.tasks
                        if any(cell.name == f'CBM-{depth}' for cell in study.cells_of(task))]
    for task in tasks:
        wanted = parameters(study, task, f'CBM-{depth}')
        assert parameters(study, task, f'LSTM-equal-{depth}') == pytest.approx(wanted, rel=0.02)


def test_clips_of_the_overlap_study_are_no_longer_than_those_without_overlap() -> None:
    study = read_study(ROOT / 'configs/studies/overlap.py')
    for task in study.tasks:
        longest = {}
        for cell in study.cells_of(task):
            pipeline = cell.only[task]['train_dataloader.dataset.pipeline']
            longest[cell.name] = next(step['max_len'] if 'max_len' in step else step['num_items']
                                      for step in pipeline if step['type'].startswith('Sample'))
        assert longest['overlap-loss-0.8'] == longest['overlap'] == longest['clips'] < \
            longest['whole']
