"""Train and test the models of configs/anticipation with several seeds; table and picture.

    python tools/analysis_tools/early_recognition_study.py --data-root DIR --seeds 0 1 2 3 4

DIR holds features.npz. The runs go through MMEngine's Runner, one after another in this process,
into WORK_DIR/MODEL/seedS; what is finished is not run again, so an interrupted study goes on. A
seed draws the 8 training videos of each class, the initial weights and all randomness in training.
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner
from plot_early_recognition import draw

from cbm_plugin.files import check_page, replace_between, write_text

CONFIGS = Path(__file__).parents[2] / 'configs' / 'anticipation' / 'ucf101_features'
MODELS = ('tmean', 'gru1', 'lstm1', 'lstm5', 'lstm15', 'cbm1', 'cbm5', 'cbm15', 'lstm15-shortcuts',
          'cbm15-shortcuts')
FLOOR = 80.0
"""The picture starts here, in percent; what lies below has its value in the legend."""
BEGIN, END = (f'<!-- early_recognition_study: {word} -->' for word in ('begin', 'end'))


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=Path, required=True, metavar='DIR',
                        help='folder of features.npz')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS), metavar='NAME',
                        help=f'which (default: all): {", ".join(MODELS)}')
    parser.add_argument('--quick', action='store_true',
                        help='one epoch each: that it works, not what it gives')
    parser.add_argument('--work-dir', type=Path,
                        help='default: work_dirs/early_recognition_study (quick: ..._quick)')
    parser.add_argument('--page', type=Path, metavar='FILE.md',
                        help='put the table between the marker comments of a page')
    parser.add_argument('--picture', type=Path, metavar='FILE.png', help='draw the curves')
    args = parser.parse_args(argv)
    if not (args.data_root / 'features.npz').is_file():
        parser.error(f'there is no {args.data_root / "features.npz"}: give --data-root the folder '
                     'that holds features.npz (configs/_base_/datasets/ucf101_features.py says '
                     'what is in it)')
    for file in (args.page, args.picture):
        if file is not None and not file.resolve().parent.is_dir():
            parser.error(f'the folder of {file} does not exist: create it first')
    if args.page is not None:
        try:
            check_page(args.page, BEGIN, END)
        except ValueError as error:
            parser.error(str(error))
    if args.work_dir is None:
        args.work_dir = Path('work_dirs/early_recognition_study' + '_quick' * args.quick)
    return args


def config_of(model: str, seed: int, folder: Path, quick: bool) -> Config:
    """The model's config, with this run's seed and places; nothing but its results is kept."""
    path, = CONFIGS.glob(f'{model}_*.py')
    cfg = Config.fromfile(path)
    cfg.work_dir = str(folder)
    cfg.experiment_name = cfg.visualizer.name = f'{model}-seed{seed}-{time.time_ns()}'
    cfg.log_level = 'WARNING'  # the progress of the study is told by the study
    cfg.randomness.seed = cfg.train_dataloader.dataset.subset_seed = seed
    cfg.default_hooks.checkpoint.interval = -1
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_evaluator[1].out_file = str(folder / 'early.json')
    if quick:
        cfg.train_cfg.max_epochs = cfg.param_scheduler[0].total_steps = 1
    return cfg


def runs(args: argparse.Namespace) -> Iterator[Tuple[str, int, Path]]:
    """Model, seed and folder of each run, seed by seed: an early stop leaves whole seeds."""
    for seed in args.seeds:
        for model in args.models:
            yield model, seed, args.work_dir / model / f'seed{seed}'


def run_all(args: argparse.Namespace) -> None:
    """Every run that has no result yet."""
    todo = [run for run in runs(args) if not (run[2] / 'early.json').is_file()]
    start = time.monotonic()
    for number, (model, seed, folder) in enumerate(todo):
        left = (time.monotonic() - start) / number * (len(todo) - number) if number else None
        eta = '' if left is None else f', about {left / 60:.1f} min left'
        print(f'run {number + 1} of {len(todo)}{eta}: {model}, seed {seed}', file=sys.stderr,
              flush=True)
        runner = Runner.from_cfg(config_of(model, seed, folder, args.quick))
        runner.train()
        runner.test()  # writes early.json


def results(args: argparse.Namespace) -> Dict[str, List[dict]]:
    """What the runs gave, by model."""
    found: Dict[str, List[dict]] = {model: [] for model in args.models}
    for model, _, folder in runs(args):
        found[model].append(json.loads((folder / 'early.json').read_text(encoding='utf-8')))
    return found


def table(found: Dict[str, List[dict]]) -> str:
    """Markdown: means and standard deviations over the seeds, in percent."""
    ratios = next(iter(found.values()))[0]['ratios']
    shown = [i for i, ratio in enumerate(ratios) if round(100 * ratio) in (10, 20, 50, 100)]
    rows = [['model', 'seeds', *(f'top-1 at {100 * ratios[i]:g}%' for i in shown),
             'mean class accuracy at 100%', 'area under top-1', 'decided from']]
    rows.append(['---'] * len(rows[0]))
    for model, each in found.items():
        top1 = np.array([run['accuracies']['top1'] for run in each])
        rows.append([model, str(len(each)), *(_spread(top1[:, i]) for i in shown),
                     _spread([run['accuracies']['mean1'][-1] for run in each]),
                     _spread([run['areas']['top1'] for run in each]),
                     _spread([run['stable_at'] for run in each]) + '%'])
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in rows)


def _spread(values: List[float]) -> str:
    percent = 100 * np.asarray(values)
    if len(percent) == 1:
        return f'{percent[0]:.1f}'
    return f'{percent.mean():.1f} +- {percent.std(ddof=1):.1f}'


def command_line(args: argparse.Namespace) -> str:
    """What repeats the study, for a reader who has the data elsewhere."""
    parts = ['python tools/analysis_tools/early_recognition_study.py --data-root DIR',
             '--seeds ' + ' '.join(map(str, args.seeds))]
    if args.models != list(MODELS):
        parts.append('--models ' + ' '.join(args.models))
    return ' '.join(parts + ['--quick'] * args.quick)


def write_all(args: argparse.Namespace, found: Dict[str, List[dict]]) -> None:
    """results.json in the work dir; page and picture where they are wanted."""
    content = json.dumps(dict(command=command_line(args), runs=found), indent=1) + '\n'
    write_text(args.work_dir / 'results.json', content)
    if args.page is not None:
        protocol = next(iter(found.values()))[0]['protocol']
        replace_between(args.page, BEGIN, END,
                        f'```\n{command_line(args)}\n```\n\n{table(found)}\n\n{protocol}\n')
    if args.picture is not None:
        draw(found, args.picture, floor=FLOOR)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    os.environ['DATA_ROOT'] = str(args.data_root)  # the configs take it from there
    run_all(args)
    found = results(args)
    write_all(args, found)
    print(table(found))


if __name__ == '__main__':
    main()
