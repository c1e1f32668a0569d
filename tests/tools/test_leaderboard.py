"""The leaderboard, on real tiny runs: what shares a row, what stands alone, what does not count."""
import csv
import shutil
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Dict, List

import pytest
import yaml
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..tiny_run import DEFAULT, ROOT, tiny_config

sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))

import leaderboard  # noqa: E402
from leaderboard_parts import table  # noqa: E402

Cells = List[Dict[str, str]]


class Crash(Hook):
    """Ends a training when its second epoch begins."""

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == 1:
            raise KeyboardInterrupt


def finished(folder: Path, name: str, seed: int, **options: Any) -> Dict[str, float]:
    """Train and test; the metrics as the runner returns them."""
    cfg = tiny_config(folder, name, **{'randomness.seed': seed, **options})
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner.test()


def evaluate_again(folder: Path, name: str, checkpoint: str) -> None:
    """What tools/test.py leaves in the work dir of a training, a second later."""
    cfg = tiny_config(folder, 'again')
    cfg.load_from = str(folder / name / checkpoint)
    runner = Runner.from_cfg(cfg)
    runner.test()
    start, later = Path(runner.log_dir), '99990101_000000'
    for path in sorted(start.glob('**/*'), reverse=True):
        path.rename(path.with_name(path.name.replace(start.name, later)))
    shutil.move(str(start), folder / name / later)
    shutil.rmtree(folder / 'again')


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    folder = tmp_path_factory.mktemp('board')
    made: Dict[str, Any] = dict(folder=folder)
    for seed in (0, 1):
        made[f'seed{seed}'] = finished(folder, f'seed{seed}', seed)
    made['repeated'] = finished(folder, 'seed1_repeated', 1)
    made['faster'] = finished(folder, 'faster', 0, **{'optim_wrapper.optimizer.lr': 0.5})
    made['fewer'] = finished(folder, 'fewer', 0, **{'test_dataloader.dataset.num_clips': 5})
    runner = Runner.from_cfg(tiny_config(folder, 'crashed'))
    runner.register_hook(Crash())
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    leaderboard.main([str(folder), '--out', str(folder / 'out'), '--published'])
    made['text'] = (folder / 'out/leaderboard.md').read_text()
    return made


def cells(folder: Path) -> Cells:
    with open(folder / 'leaderboard.csv', newline='') as file:
        return list(csv.DictReader(file))


def ours(runs: Dict[str, Any]) -> Cells:
    return [row for row in cells(runs['folder'] / 'out') if row['origin'] == 'ours']


def pair(runs: Dict[str, Any]) -> Dict[str, str]:
    row, = (row for row in ours(runs) if row['seeds'] == '0 1')
    return row


def test_seeds_of_one_config_share_a_row_with_their_mean_and_spread(runs: Dict[str, Any]) -> None:
    values = [100 * runs[name]['acc/top1'] for name in ('seed0', 'seed1')]
    assert float(pair(runs)['acc/top1 mean']) == pytest.approx(mean(values))
    assert float(pair(runs)['acc/top1 std']) == pytest.approx(stdev(values))
    assert pair(runs)['acc/top1 all'].split() == [f'{value:.4f}' for value in values]
    assert f'{mean(values):.1f} +- {stdev(values):.1f}' in runs['text']


def test_a_repeated_seed_is_named_and_counts_once(runs: Dict[str, Any]) -> None:
    assert 'seed 1 and protocol' in runs['text'].split('Not counted')[1]


def test_other_settings_stand_in_a_row_that_names_them(runs: Dict[str, Any]) -> None:
    row, = (row for row in ours(runs) if 'optim_wrapper.optimizer.lr=0.5' in row['model'])
    assert row['seeds'] == '0'
    assert float(row['acc/top1 mean']) == pytest.approx(100 * runs['faster']['acc/top1'])


def test_another_test_set_stands_in_a_row_of_its_own(runs: Dict[str, Any]) -> None:
    row, = (row for row in ours(runs) if row['split'] == 'test (5 videos)')
    assert float(row['acc/top1 mean']) == pytest.approx(100 * runs['fewer']['acc/top1'])
    assert 'test.dataset.num_clips' in runs['text'].split('Not counted')[1]


def test_a_crashed_run_is_named_with_how_far_it_came(runs: Dict[str, Any]) -> None:
    line, = (line for line in runs['text'].splitlines() if '/crashed' in line)
    assert 'unfinished: its last checkpoint is of epoch 1 of 2, and not tested' in line
    assert sum(len(row['seeds'].split()) for row in ours(runs)) == 4


def test_parameters_and_multiply_adds_are_those_of_the_formula(runs: Dict[str, Any]) -> None:
    pixels, frames, kernel = 16 * 16, 16, 9
    stem, flow, gate = kernel * 3 * 4, kernel * 4 * 4, kernel * 8 * 4
    macs = frames * (pixels * (stem + 2 * (flow + gate)) + 4 * 8)
    assert int(pair(runs)['flops']) == macs
    assert pair(runs)['input'] == '16x3x32x32'
    model = Runner.from_cfg(tiny_config(runs['folder'], 'built')).model
    assert int(pair(runs)['parameters']) == sum(p.numel() for p in model.parameters())


def test_published_numbers_are_marked_and_cited(runs: Dict[str, Any]) -> None:
    published = [row for row in cells(runs['folder'] / 'out') if row['origin'] == 'published']
    assert published and all(row['citation'] and not row['seeds'] for row in published)
    row, = (row for row in published if row['model'] == '15-layer CBM' and row['data'] == 'UCF-101'
            and row['protocol'].startswith('anticipation'))
    assert row['acc/top1 mean'] == '57.7'


def test_every_published_table_has_its_source_and_accuracies_in_percent() -> None:
    tables = yaml.safe_load(leaderboard.PUBLISHED.read_text())['tables']
    for made in tables:
        assert made['citation'] and made['table'] and made['protocol'] and made['entries']
    values = [value for made in tables for entry in made['entries']
              for value in entry['values'].values()]
    assert all(10 < value < 100 for value in values)


def test_a_test_of_other_weights_is_a_row_of_its_own(runs: Dict[str, Any],
                                                     tmp_path: Path) -> None:
    shutil.copytree(runs['folder'] / 'seed0', tmp_path / 'seed0')
    best = next((tmp_path / 'seed0').glob('best_*.pth')).name
    shutil.copytree(runs['folder'] / 'data', tmp_path / 'data')
    evaluate_again(tmp_path, 'seed0', best)
    leaderboard.main([str(tmp_path / 'seed0'), '--out', str(tmp_path), '--no-cost'])
    protocols = sorted(row['protocol'].rsplit(', ', 1)[1] for row in cells(tmp_path))
    assert protocols == ['best weights', 'last weights']


@pytest.mark.parametrize('content, reason', [
    ('{"acc/top1": NaN}', 'no finite number for acc/top1'),
    ('{"acc/top1": 0.', 'cannot be read')])
def test_a_result_that_is_no_number_is_named(content: str, reason: str, runs: Dict[str, Any],
                                             tmp_path: Path) -> None:
    shutil.copytree(runs['folder'] / 'seed0', tmp_path / 'seed0')
    result, = (path for path in (tmp_path / 'seed0').glob('*/*.json'))
    result.write_text(content)
    leaderboard.main([str(tmp_path), '--out', str(tmp_path / 'out'), '--no-cost'])
    assert reason in (tmp_path / 'out/leaderboard.md').read_text()
    assert not cells(tmp_path / 'out')


def test_files_are_written_whole_or_not_at_all(runs: Dict[str, Any], tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'leaderboard.png').write_text('the last one')

    def half_a_picture(rows: object, metric: str, out: Path) -> None:
        out.write_text('half')
        raise OSError('disk full')

    monkeypatch.setattr(leaderboard, 'draw', half_a_picture)
    with pytest.raises(OSError, match='disk full'):
        leaderboard.main([str(runs['folder']), '--out', str(tmp_path), '--no-cost'])
    assert (tmp_path / 'leaderboard.png').read_text() == 'the last one'
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'leaderboard.csv', 'leaderboard.md', 'leaderboard.png']


def test_a_folder_without_runs_is_an_error_that_says_what_to_give(
        tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        leaderboard.main([str(tmp_path)])
    assert 'give folders that tools/train.py wrote' in capsys.readouterr().err


def test_a_picture_is_drawn_of_ours_and_published(runs: Dict[str, Any]) -> None:
    assert (runs['folder'] / 'out/leaderboard.png').stat().st_size > 20_000
    assert DEFAULT.stem in runs['text'] and table.PUBLISHED in runs['text']
