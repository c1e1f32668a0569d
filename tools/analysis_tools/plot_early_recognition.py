"""Draw early-recognition curves, one line for each model, into one picture.

    python tools/analysis_tools/plot_early_recognition.py work_dirs/*/early.json --out early.png

Each file is what ``EarlyRecognitionMetric(out_file=...)`` wrote. Files in folders
``NAME/seed0``, ``NAME/seed1``, ... are seeds of one model: their mean, and a band of one standard
deviation.
"""
import argparse
import json
import re
import sys
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np

from cbm_plugin.files import write_whole

LINES = ('-', '--', ':', '-.')


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN_JSON')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.png')
    parser.add_argument('--metric', default='top1', help='which curve (default: top1)')
    parser.add_argument('--floor', type=float, metavar='PERCENT',
                        help='where the axis starts (default: below the lowest point)')
    return parser.parse_args(argv)


def read_runs(paths: List[Path]) -> Dict[str, List[dict]]:
    """The runs of each model, by name, in the order given.

    Raises:
        ValueError: a file is none of the metric's, or its ratios are not those of the first.
    """
    groups: Dict[str, List[dict]] = {}
    first: Optional[dict] = None
    for path in paths:
        try:
            run = json.loads(path.read_text(encoding='utf-8'))
            ratios, accuracies = run['ratios'], run['accuracies']
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path} is no file of EarlyRecognitionMetric ({error}): give it '
                             "out_file='early.json' and test again") from None
        first = first or run
        if ratios != first['ratios'] or set(accuracies) != set(first['accuracies']):
            raise ValueError(f'{path} has the ratios {ratios} and curves {sorted(accuracies)}, '
                             f"{paths[0]} {first['ratios']} and {sorted(first['accuracies'])}: "
                             'draw them apart')
        groups.setdefault(model_name(path), []).append(run)
    return groups


def model_name(path: Path) -> str:
    """``NAME`` of ``NAME/seedS/early.json``, else the folder's name (or the file's)."""
    folder = path.resolve().parent
    if re.fullmatch(r'seed\d+', folder.name):
        folder = folder.parent
    return folder.name if path.stem.startswith('early') else f'{folder.name}/{path.stem}'


def draw(groups: Dict[str, List[dict]], out: Path, metric: str = 'top1',
         floor: Optional[float] = None) -> None:
    """One line a model: a colour for each kind, dashes within it, the last value in the legend.

    Raises:
        ValueError: there is no such curve.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(7, 4.5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    families: Dict[str, int] = {}
    members: Dict[str, int] = {}
    for name, runs in groups.items():
        known = runs[0]['accuracies']
        if metric not in known:
            raise ValueError(f"there is no curve '{metric}': use one of {sorted(known)}")
        family = re.split(r'[\d_-]', name)[0]
        colour = families.setdefault(family, len(families))
        member = members[family] = members.get(family, -1) + 1
        curves = 100 * np.array([run['accuracies'][metric] for run in runs])
        percent = 100 * np.array(runs[0]['ratios'])
        mean, spread = curves.mean(0), curves.std(0, ddof=1 if len(runs) > 1 else 0)
        axes.plot(percent, mean, LINES[member % len(LINES)], marker='o', markersize=3,
                  color=f'C{colour % 10}',
                  label=f'{name} ({mean[-1]:.1f})')
        axes.fill_between(percent, mean - spread, mean + spread, color=f'C{colour % 10}',
                          alpha=0.12, linewidth=0)
    axes.set_xlabel('observed, % of the frames')
    axes.set_ylabel(f'{metric}, % (in brackets: at the end)')
    axes.set_ylim(bottom=floor)
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small', loc='center left', bbox_to_anchor=(1, 0.5))
    write_whole(out, lambda temporary: figure.savefig(temporary, dpi=130))


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        if args.out.suffix != '.png':
            raise ValueError(f'--out is {args.out}, but must end with .png')
        if not args.out.resolve().parent.is_dir():
            raise ValueError(f'the folder of {args.out} does not exist: create it first')
        draw(read_runs(args.runs), args.out, args.metric, args.floor)
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
