"""Train configs with several seeds each, and print their test accuracy side by side.

    DATA_ROOT=DIR python tools/analysis_tools/train_seeds.py CONFIG [CONFIG ...] --seeds 0 1 2

Runs go one after another into WORK_DIR/NAME_OF_CONFIG/seedS; what is finished is not run again.
Each config must say ``test_after_train = True``. The table is printed and written to
WORK_DIR/seeds.md.
"""
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Dict, List, Optional

TRAIN = Path(__file__).parents[1] / 'train.py'


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('configs', nargs='+', help='config files')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--work-dir', default='work_dirs/seeds', help='where the runs go')
    parser.add_argument('--metrics', nargs='+', default=['acc/top1', 'acc/mean1'])
    parser.add_argument('--chance', type=float, default=None,
                        help='accuracy of guessing: adds how many standard errors the mean of the '
                        'first metric lies above it')
    return parser.parse_args(argv)


def test_metrics(folder: Path) -> Optional[Dict[str, float]]:
    """What the last test of a run gave, or None where it has not been tested."""
    logs = sorted(folder.glob('*/[0-9]*.json'))
    return json.loads(logs[-1].read_text().splitlines()[-1]) if logs else None


def train(config: str, seed: int, folder: Path, progress: str) -> None:
    """One run, in a process of its own; its output goes to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f'{progress}: {Path(config).stem}, seed {seed} -> {folder}', file=sys.stderr, flush=True)
    with open(folder / 'output.txt', 'w') as output:
        done = subprocess.run([sys.executable, str(TRAIN), config, '--work-dir', str(folder),
                               '--seed', str(seed), '--resume'],
                              stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        last = (folder / 'output.txt').read_text().strip().splitlines()[-1]
        sys.exit(f'{config}, seed {seed} failed: {last}\nAll of its output: {folder}/output.txt')


def table(runs: Dict[str, List[Dict[str, float]]], metrics: List[str],
          chance: Optional[float]) -> str:
    """Markdown: mean and standard deviation over the seeds, in percent."""
    head = ['config', 'seeds', *(f'{metric}, mean +- std' for metric in metrics)]
    if chance is not None:
        head.append(f'{metrics[0]} above chance ({100 * chance:.1f}), in standard errors')
    rows = [head, ['---'] * len(head)]
    for name, results in runs.items():
        row = [name, str(len(results))]
        for metric in metrics:
            values = [100 * result[metric] for result in results]
            spread = f' +- {stdev(values):.1f}' if len(values) > 1 else ''
            row.append(f'{mean(values):.1f}{spread}')
        if chance is not None:
            row.append(_standard_errors([result[metrics[0]] for result in results], chance))
        rows.append(row)
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in rows) + '\n'


def _standard_errors(values: List[float], chance: float) -> str:
    if len(values) < 2 or stdev(values) == 0:
        return 'unknown'
    return f'{(mean(values) - chance) / (stdev(values) / len(values) ** 0.5):.1f}'


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    work_dir = Path(args.work_dir)
    runs: Dict[str, List[Dict[str, float]]] = {}
    todo = [(config, seed) for config in args.configs for seed in args.seeds]
    start, trained = time.monotonic(), 0
    for number, (config, seed) in enumerate(todo, start=1):
        folder = work_dir / Path(config).stem / f'seed{seed}'
        if test_metrics(folder) is None:
            left = (time.monotonic() - start) / trained * (len(todo) - number + 1) if trained else 0
            eta = f', about {left / 60:.0f} min left' if trained else ''
            train(config, seed, folder, f'run {number} of {len(todo)}{eta}')
            trained += 1
        metrics = test_metrics(folder)
        if metrics is None:
            sys.exit(f'{config} does not test itself: set test_after_train = True in it')
        runs.setdefault(Path(config).stem, []).append(metrics)
    text = table(runs, args.metrics, args.chance)
    (work_dir / 'seeds.md').write_text(text)
    print(text)


if __name__ == '__main__':
    main()
