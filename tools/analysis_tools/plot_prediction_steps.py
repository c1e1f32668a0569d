"""Draw the metrics of predicted frames over time steps, one line for each model.

    python tools/analysis_tools/plot_prediction_steps.py work_dirs/*/seed*/steps.json \\
        'copy of the last frame=copy.json' --out curves.png --metrics psnr ssim --table

Each file is what ``FramePredictionMetric(out_file=...)`` wrote. A file is called after its folder,
unless it is given as LABEL=FILE. Files in folders ``NAME/seed0``, ``NAME/seed1``, ..., or of the
same LABEL, are seeds of one model: their mean, and a band of one standard deviation.
"""
import argparse
from pathlib import Path
from typing import List, Optional, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
from cbm_plugin.engine.user_errors import fail
from cbm_plugin.prediction.pictures.step_curves import (
    draw_step_curves,
    markdown_table,
    read_groups,
)

ENDINGS = ('.png', '.pdf', '.svg')


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', type=labelled, metavar='[LABEL=]FILE.json')
    parser.add_argument('--out', type=Path, metavar='FILE', help='picture to write (.png, .pdf, '
                        '.svg)')
    parser.add_argument('--metrics', nargs='+', metavar='NAME', help='which metrics (default: all '
                        'that every file has)')
    parser.add_argument('--table', action='store_true', help='print a Markdown table of the means '
                        'and of the steps 1, 10 and 20')
    parser.add_argument('--force', action='store_true', help='draw files of different protocols '
                        '(inputs, sequences, steps) in one picture')
    args = parser.parse_args(argv)
    if args.out is None and not args.table:
        parser.error('nothing to do: give --out FILE.png for a picture, --table for a table')
    if args.out is not None and args.out.suffix not in ENDINGS:
        parser.error(f'--out is {args.out}, but must end with one of {", ".join(ENDINGS)}')
    return args


def labelled(text: str) -> Tuple[Optional[str], Path]:
    """``LABEL=FILE`` or ``FILE``; a file whose own name has a ``=`` stays a file."""
    label, sign, path = text.partition('=')
    return (label, Path(path)) if sign and label and not Path(text).exists() else (None, Path(text))


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        groups = read_groups(args.runs, args.force)
        if args.table:
            print(markdown_table(groups, args.metrics))
        if args.out is not None:
            draw_step_curves(groups, args.out, args.metrics)
            print(f'wrote {args.out}')
    except ValueError as error:
        remedy = ', or draw them all the same with --force' if 'in the same way' in str(
            error) and not args.force else ''
        fail(f'{error}{remedy}')


if __name__ == '__main__':
    main()
