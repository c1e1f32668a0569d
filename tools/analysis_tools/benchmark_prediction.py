"""Time future prediction: rollouts, training steps and metrics.

    python tools/analysis_tools/benchmark_prediction.py --json prediction.json --out prediction.md
    python tools/analysis_tools/benchmark_prediction.py --parts training --dtypes float32

What is compared runs in this process, in turns, so that whatever else the machine does meets both:

rollout   a predicted frame, where each is fed back and the state goes along: in rollouts of 200
          frames against those of 10, by time and, in processes of their own, by memory; the light
          model of 64x64 pixels, and MCnet with 15 CBM layers, narrow
training  a step (forward, backward, update) of the light model: its CBM layers against ConvLSTM
          layers of the same width, and against a loop over frames in plain PyTorch that computes
          the same; with the truth fed (teacher) and with predictions fed back (feedback)
metrics   the test's default metrics against scikit-image, a frame at a time

Weights and frames are random; they cost the same time. The loop over frames must give the model's
outputs and gradients, and scikit-image the metric's values to 1e-4, or the command fails. What is
missed is told with what bounds it.
"""
import argparse
from pathlib import Path
from typing import List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import torch
from layer_benchmark.report import machine_facts
from mmengine.registry import init_default_scope
from prediction_benchmark.metrics import metrics_part, scikit_image
from prediction_benchmark.rollout import rollout_part
from prediction_benchmark.rows import as_json, markdown
from prediction_benchmark.training import WRAPPERS, training_part

from cbm_plugin.engine.bfloat16 import bfloat16_is_slow
from cbm_plugin.files import check_page, replace_between, write_text
from cbm_plugin.progress import Progress

BEGIN, END = ('<!-- benchmark_prediction: begin -->', '<!-- benchmark_prediction: end -->')
PARTS = dict(rollout=rollout_part, training=training_part, metrics=metrics_part)
QUICK = dict(rounds=1, batch=2, frames=5, inputs=2, steps=[3, 6], mcnet_width=2, sequences=2)


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--parts', nargs='+', choices=list(PARTS), default=list(PARTS),
                        help='of the benchmark (default: all)')
    parser.add_argument('--rounds', type=int, default=7, help='of each comparison (default: 7)')
    parser.add_argument('--dtypes', nargs='+', choices=list(WRAPPERS), default=list(WRAPPERS),
                        help='of the training step (default: both)')
    parser.add_argument('--batch', type=int, default=8, help='of the training step (default: 8)')
    parser.add_argument('--frames', type=int, default=20, help='of a sequence (default: 20)')
    parser.add_argument('--inputs', type=int, default=10, help='of these are seen (default: 10)')
    parser.add_argument('--steps', type=int, nargs=2, default=[10, 200], metavar=('FEW', 'MANY'),
                        help='frames of the rollouts (default: 10 200)')
    parser.add_argument('--mcnet-width', type=int, default=8,
                        help='channels of MCnet at full size (default: 8; published: 64)')
    parser.add_argument('--sequences', type=int, default=96,
                        help='that the metrics are of (default: 96)')
    parser.add_argument('--quick', action='store_true',
                        help='everything small, 1 round: that it works, within seconds')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures')
    parser.add_argument('--out', type=Path, metavar='FILE.md',
                        help='put the table between the marker comments of a page')
    args = parser.parse_args(argv)
    if args.quick:
        vars(args).update(QUICK)
    _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    for name in ('rounds', 'batch', 'inputs', 'mcnet_width', 'sequences'):
        if getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} is {getattr(args, name)}, but must be at '
                         'least 1')
    if args.frames < args.inputs + 2:
        parser.error(f'--frames is {args.frames}, but must be at least 2 more than --inputs, '
                     f'{args.inputs}: nothing is fed back otherwise')
    few, many = args.steps
    if not 2 <= few < many:
        parser.error(f'--steps are {few} and {many}, but the first must be at least 2 and the '
                     'second larger')
    for file in (args.json, args.out):
        if file is not None and not file.parent.is_dir():
            parser.error(f'the folder of {file} does not exist: create it first')
    if args.out is not None:
        try:
            check_page(args.out, BEGIN, END)
        except ValueError as error:
            parser.error(str(error))
    if 'metrics' in args.parts:
        try:
            scikit_image()
        except ImportError:
            parser.error('the part metrics needs scikit-image: pip install scikit-image, or leave '
                         'metrics out of --parts')


def command_line(args: argparse.Namespace) -> str:
    """What repeats the measurement."""
    command = (f'python tools/analysis_tools/benchmark_prediction.py --parts '
               f'{" ".join(args.parts)} --dtypes {" ".join(args.dtypes)}')
    if args.quick:
        return f'{command} --quick'
    return (f'{command} --rounds {args.rounds} --batch {args.batch} --frames {args.frames} '
            f'--inputs {args.inputs} --steps {args.steps[0]} {args.steps[1]} '
            f'--mcnet-width {args.mcnet_width} --sequences {args.sequences}')


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    init_default_scope('mmaction')
    report = dict(command=command_line(args), machine=machine_facts(torch.device('cpu')), rows=[],
                  bfloat16_is_slow=bfloat16_is_slow())
    progress = Progress('parts', len(args.parts))
    for number, name in enumerate(args.parts, 1):
        report['rows'] += PARTS[name](args)
        progress.update(number)
    print(markdown(report), end='')
    if args.json is not None:
        write_text(args.json, as_json(report))
    if args.out is not None:
        replace_between(args.out, BEGIN, END, markdown(report))


if __name__ == '__main__':
    main()
