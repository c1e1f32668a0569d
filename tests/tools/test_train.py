"""Whole runs from the command line, as a user starts them."""
import os
import subprocess
import sys
from pathlib import Path
from typing import List

import mmaction
import pytest

from ..tiny_run import DEFAULT, ROOT, cfg_options

STOCK = Path(mmaction.__file__).parent / '.mim' / 'tools' / 'train.py'


def run(command: List[object], folder: Path) -> str:
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    done = subprocess.run([str(part) for part in command], cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('tools')


def test_training_tests_itself_and_says_where_checkpoint_and_curves_are(folder: Path) -> None:
    printed = run([sys.executable, ROOT / 'tools/train.py', DEFAULT, '--work-dir', 'ours',
                   *cfg_options(folder)], folder)
    closing = printed.rsplit('=' * 72, 2)[1]
    assert 'test acc/top1' in closing and 'curves.png' in closing and 'epoch_1.pth' in closing
    assert (folder / 'ours/curves.png').stat().st_size > 5000
    assert 'eta' in printed


def test_a_trained_checkpoint_is_tested_to_the_same_accuracy(folder: Path) -> None:
    printed = run([sys.executable, ROOT / 'tools/test.py', DEFAULT, folder / 'ours/epoch_1.pth',
                   '--work-dir', 'tested', *cfg_options(folder)], folder)
    first = next((folder / 'ours').glob('*/*.log')).read_text().rsplit('Epoch(test)', 1)[1]
    top1 = first.split('acc/top1: ')[1].split()[0]
    assert f'acc/top1: {top1}' in printed


def test_a_checkpoint_of_another_network_is_refused_not_tested_with_random_weights(
        folder: Path) -> None:
    deeper = cfg_options(folder, **{'model.neck.hidden_channels': '[4,4,4,4]'})
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/test.py'), str(DEFAULT), 'ours/epoch_1.pth',
         '--work-dir', 'refused', *map(str, deeper)], cwd=folder, text=True, capture_output=True,
        env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)))
    assert done.returncode == 2
    assert 'missing in the file: neck.rnn.layers.2.' in done.stderr
    assert 'another architecture' in done.stderr and 'Traceback' not in done.stderr


def test_the_same_config_trains_under_mmaction2s_own_tool(folder: Path) -> None:
    printed = run([sys.executable, STOCK, DEFAULT, '--work-dir', 'stock', *cfg_options(folder)],
                  folder)
    assert 'loss_coherence' in printed and (folder / 'stock/epoch_1.pth').is_file()


def test_two_processes_train_clip_by_clip(folder: Path) -> None:
    printed = run([sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2',
                   '--master_port=29533', ROOT / 'tools/train.py', DEFAULT, '--launcher', 'pytorch',
                   '--work-dir', 'two', *cfg_options(folder)], folder)
    assert 'loss_coherence' in printed and (folder / 'two/epoch_1.pth').is_file()


def test_seeds_are_trained_in_turn_and_put_into_one_table(folder: Path) -> None:
    for seed in (0, 1):  # two finished runs: what is there is not run again
        made = folder / 'seeds' / DEFAULT.stem / f'seed{seed}'
        run([sys.executable, ROOT / 'tools/train.py', DEFAULT, '--work-dir', made, '--seed', seed,
             *cfg_options(folder)], folder)
    printed = run([sys.executable, ROOT / 'tools/analysis_tools/train_seeds.py', DEFAULT,
                   '--seeds', 0, 1, '--work-dir', 'seeds', '--chance', 0.125], folder)
    row = printed.strip().splitlines()[-1]
    assert row.startswith(f'| {DEFAULT.stem} | 2 |')
    assert (folder / 'seeds/seeds.md').read_text().strip().endswith(row)
