"""Crafted files are refused by everything that reads files, and nothing in them runs."""
import os
import pickle
from pathlib import Path

import pytest
import torch
import yaml

from ..tiny_run import DEFAULT, ROOT, cfg_options
from ..tools.test_train_flags import load
from .loading import (
    ATTACKS,
    CARRIERS,
    CHECKPOINT_READERS,
    LEADING_OUT,
    PATH_READERS,
    checkpoint,
    combinations,
    is_refused,
    run,
    stays_inside,
)


@pytest.mark.parametrize('attack', ATTACKS)
def test_each_attack_would_succeed_with_a_reader_of_pickles(attack: str, tmp_path: Path) -> None:
    marker = tmp_path / 'ran'
    pickle.loads(pickle.dumps(ATTACKS[attack](str(marker))))
    assert marker.exists()


@pytest.mark.parametrize('attack', CARRIERS['YAML annotation'].attacks)
def test_each_attack_in_yaml_would_succeed_with_a_reader_of_its_tags(
        attack: str, tmp_path: Path) -> None:
    marker = tmp_path / 'ran'
    yaml.load(yaml.dump(ATTACKS[attack](str(marker))), yaml.UnsafeLoader)
    assert marker.exists()


@pytest.mark.parametrize('carrier, reader', sorted({kind[1:] for kind in combinations()}))
def test_a_file_that_would_run_something_is_refused_and_runs_nothing(
        carrier: str, reader: str, tmp_path: Path) -> None:
    let_through = [attack for number, attack in enumerate(CARRIERS[carrier].attacks)
                   if not is_refused(tmp_path / str(number), attack, carrier, reader)]
    assert not let_through


@pytest.mark.parametrize('reader', ['MMEngine', 'the demos', 'ours'])
def test_the_refusal_of_a_checkpoint_names_the_file_and_what_it_asks_for(
        reader: str, tmp_path: Path) -> None:
    checkpoint(ATTACKS['os.system'](str(tmp_path / 'ran')), tmp_path / 'crafted.pth')
    with pytest.raises(ValueError, match=rf'{tmp_path}/crafted.pth is refused: it asks for '
                       rf'{os.system.__module__}.system'):
        CHECKPOINT_READERS[reader](tmp_path / 'crafted.pth')


def test_torch_told_to_load_unsafely_by_the_environment_does_so_no_more_within_mmengine(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    assert is_refused(tmp_path / 'crafted', 'os.system', 'checkpoint', 'MMEngine')


@pytest.mark.parametrize('template', LEADING_OUT)
@pytest.mark.parametrize('reader', PATH_READERS)
def test_a_listed_path_that_leads_out_of_the_data_root_is_refused(
        reader: str, template: str, tmp_path: Path) -> None:
    assert stays_inside(tmp_path, reader, template)


def test_the_bench_counts_what_it_tried_and_all_of_it_survives(tmp_path: Path) -> None:
    files, paths = run(tmp_path, tried=12, seed=0)
    assert files.tried == 12 and paths.tried == len(PATH_READERS) * len(LEADING_OUT)
    assert files.good and paths.good


def test_the_bench_tells_when_something_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                            ) -> None:
    monkeypatch.setitem(CHECKPOINT_READERS, 'ours', lambda path: torch.load(
        path, weights_only=False))
    files, _ = run(tmp_path, tried=len(combinations()), seed=0)
    unsafe = sum(kind[2] == 'ours' for kind in combinations())
    assert (files.survived, files.lost) == (files.tried - unsafe, unsafe)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('tools')


@pytest.mark.parametrize('tool, argv, option', [
    ('test.py', ['{}'], None), ('train.py', ['--resume', '{}'], None),
    ('train.py', [], 'load_from')])
def test_a_tool_ends_with_one_line_at_a_crafted_checkpoint(
        tool: str, argv: list, option: str, folder: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture) -> None:
    path, marker = tmp_path / 'crafted.pth', tmp_path / 'ran'
    checkpoint(ATTACKS['os.system'](str(marker)), path)
    options = cfg_options(folder, **({option: path} if option else {}))
    with pytest.raises(SystemExit) as end:
        load(ROOT / 'tools' / tool).main([
            str(DEFAULT), *(part.format(path) for part in argv), '--work-dir',
            str(tmp_path / 'run'), *options])
    assert end.value.code == 2 and not marker.exists()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('error: ') and f'asks for {os.system.__module__}.system' in said
