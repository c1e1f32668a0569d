"""Draw the curves of one or several trainings, finished or not, into one picture.

    python tools/analysis_tools/plot_curves.py work_dirs/one work_dirs/other --out both.png
"""
import argparse
import sys
from pathlib import Path
from typing import List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
from cbm_plugin.engine.curves import draw_curves


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw loss, coherence and accuracies of trainings from their logs')
    parser.add_argument(
        'work_dirs', nargs='+', type=Path, metavar='WORK_DIR', help='work dir of a training')
    parser.add_argument(
        '--out',
        type=Path,
        help='picture to write (default: curves.png, in the work dir if only one is given)')
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    folder = args.work_dirs[0] if len(args.work_dirs) == 1 else Path()
    try:
        out = draw_curves(args.work_dirs, args.out or folder / 'curves.png')
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None
    print(f'wrote {out}')


if __name__ == '__main__':
    main()
