"""Gather finished runs into one table: cost, protocol, seeds, accuracy, beside published numbers.

    python tools/analysis_tools/leaderboard.py work_dirs --published

Every folder that tools/train.py wrote, at or below those given, is read; its last test counts, of
train.py itself (``test_after_train``) or of tools/test.py with the same ``--work-dir``. Runs of one
config that differ in the seed alone share a row, and nothing else does: other data, protocol or
settings make a row of their own, which names what differs. What is unfinished, untested or
unreadable is listed below the table. Writes leaderboard.md, .csv and .png.
"""
import argparse
import sys
from pathlib import Path
from typing import List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported
from cbm_plugin.files import write_text, write_whole

# isort: split
from leaderboard_parts.cost import Cost, cost_of
from leaderboard_parts.plot import draw
from leaderboard_parts.runs import Problem, Run, find_work_dirs, read_work_dir
from leaderboard_parts.table import as_csv, in_order, markdown, published_rows, rows_of_runs

PUBLISHED = Path(__file__).parents[2] / 'configs' / 'recognition' / 'published.yml'


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIRS',
                        help='work dirs, or folders that hold some')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/leaderboard'), metavar='DIR',
                        help='where the files go (default: work_dirs/leaderboard)')
    parser.add_argument('--published', action='store_true',
                        help='add what the paper and MMAction2 published')
    parser.add_argument('--metrics', nargs='+', default=['acc/top1', 'acc/mean1'],
                        help='columns of the table; the first is drawn (the CSV file has all)')
    parser.add_argument('--no-cost', action='store_true',
                        help='build no models: leave parameters and FLOPs out')
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        folders = find_work_dirs(args.work_dirs)
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None
    runs: List[Run] = []
    problems: List[Problem] = []
    for folder in folders:
        for found in read_work_dir(folder):
            (runs if isinstance(found, Run) else problems).append(found)
    rows, apart = rows_of_runs(
        runs, lambda run: Cost(None) if args.no_cost else cost_of(run.testing))
    rows += published_rows(PUBLISHED) if args.published else []
    rows = in_order(rows, args.metrics[0])
    text = markdown(rows, args.metrics, problems + apart)
    write_text(args.out / 'leaderboard.md', text)
    write_text(args.out / 'leaderboard.csv', as_csv(rows))
    write_whole(args.out / 'leaderboard.png', lambda path: draw(rows, args.metrics[0], path))
    print(text)
    print(f'wrote {args.out}/leaderboard.md, .csv and .png')


if __name__ == '__main__':
    main()
