"""The early-recognition study and its picture, on features made for it."""
import importlib
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Iterator

import numpy as np
import pytest

from ..tiny_run import ROOT


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / 'tools' / 'analysis_tools'))
    monkeypatch.setitem(os.environ, 'DATA_ROOT', '')  # put back at the end
    yield importlib.import_module('early_recognition_study')


@pytest.fixture
def plot(study: ModuleType) -> ModuleType:
    return importlib.import_module('plot_early_recognition')


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(7), 10)
    folder = tmp_path / 'data'
    folder.mkdir()
    np.savez(folder / 'features.npz',
             features=rng.normal(size=(70, 10, 256)).astype(np.float16), label=labels,
             split=np.array(['train'] * 56 + ['test'] * 14),
             video=np.array([f'v{i}' for i in range(70)]),
             classes=np.array(list('abcdefg')))
    return folder


def options(data: Path, *more: object) -> list:
    return [str(word) for word in ('--data-root', data, '--work-dir', data / 'runs', '--quick',
                                   '--models', 'tmean', 'gru1', *more)]


def test_one_command_trains_tests_and_writes_table_and_picture(
        study: ModuleType, data: Path, capsys: pytest.CaptureFixture) -> None:
    page, picture = data / 'page.md', data / 'early.png'
    page.write_text(f'# Before\n{study.BEGIN}\nold\n{study.END}\nAfter\n')
    study.main(options(data, '--seeds', 0, 1, '--page', page, '--picture', picture))
    out = capsys.readouterr()
    rows = [line for line in out.out.splitlines() if line.startswith(('| tmean', '| gru1'))]
    assert len(rows) == 2 and all('| 2 |' in row and '+-' in row for row in rows)
    text = page.read_text()
    assert text.startswith('# Before') and text.endswith('After\n') and 'old' not in text
    assert all(row in text for row in rows) and 'ceil(ratio * T)' in text
    assert str(data) not in text and '--data-root DIR --seeds 0 1' in text
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert 'run 4 of 4, about' in out.err


def test_an_interrupted_study_goes_on_and_trains_only_what_is_missing(
        study: ModuleType, data: Path, capsys: pytest.CaptureFixture) -> None:
    study.main(options(data, '--seeds', 0))
    (data / 'runs/gru1/seed0/early.json').unlink()
    kept = (data / 'runs/tmean/seed0/early.json').stat().st_mtime_ns
    capsys.readouterr()
    study.main(options(data, '--seeds', 0))
    assert 'run 1 of 1: gru1, seed 0' in capsys.readouterr().err
    assert (data / 'runs/tmean/seed0/early.json').stat().st_mtime_ns == kept
    assert set(json.loads((data / 'runs/results.json').read_text())['runs']) == {'tmean', 'gru1'}


def test_missing_features_are_named_before_anything_runs(
        study: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        study.main(['--data-root', str(tmp_path)])
    assert 'features.npz: give --data-root the folder' in capsys.readouterr().err


def write_run(path: Path, ratios: list, top1: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(ratios=ratios, accuracies=dict(top1=top1))))
    return path


def test_seeds_of_one_model_are_one_line_of_the_picture(plot: ModuleType, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name / 'early.json', [0.5, 1.0], [0.1, 0.2])
            for name in ('cbm5/seed0', 'cbm5/seed1', 'lstm1')]
    groups = plot.read_runs(runs)
    assert {name: len(each) for name, each in groups.items()} == {'cbm5': 2, 'lstm1': 1}
    plot.main([*map(str, runs), '--out', str(tmp_path / 'early.png')])
    assert (tmp_path / 'early.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize('content, message', [
    ('{}', 'no file of EarlyRecognitionMetric'),
    ('{"ratios": [1.0], "accuracies": {"top1": [1]}}', 'draw them apart')])
def test_files_that_do_not_fit_are_named(plot: ModuleType, tmp_path: Path, content: str,
                                         message: str, capsys: pytest.CaptureFixture) -> None:
    first = write_run(tmp_path / 'one/early.json', [0.5, 1.0], [0.1, 0.2])
    other = tmp_path / 'other.json'
    other.write_text(content)
    with pytest.raises(SystemExit):
        plot.main([str(first), str(other), '--out', str(tmp_path / 'early.png')])
    assert message in capsys.readouterr().err and not (tmp_path / 'early.png').exists()
