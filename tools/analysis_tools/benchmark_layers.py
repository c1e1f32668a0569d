"""Time the recurrent layers against their naive twin, ConvLSTM, and what convolutions alone cost.

    python tools/analysis_tools/benchmark_layers.py --json benchmark.json
    python tools/analysis_tools/benchmark_layers.py --dtype bfloat16 --shapes 128ch_28x28

All implementations run in this process, in turns, so that whatever else the machine does meets
them alike:

naive           the stack of CBM layers as a loop that anyone can read, float32: the reference
cbm_plain       CBM as most write it: a frame at a time, one convolution of [x, s]
fast            naive's function and weights, its fast twin
convlstm        a stack of our ConvLSTM layers (fast twin) of the same widths
convlstm_plain  ConvLSTM as most write it: a frame at a time, one convolution of [x, h]
bound           the convolutions of the CBM stack over all frames at once, and nothing else

Modes: ``forward`` (evaluation, no gradients), ``train`` (forward and backward, from a fixed random
gradient of the output; the input needs a gradient too, as above a backbone), ``step`` (streaming:
one frame a call, seconds for one). With bfloat16 all run in autocast, and naive float32 stays the
reference. Memory is that of one training step: bytes saved for backward, and the growth of the
peak of a new process (on a GPU: of the allocated memory).
"""
import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import List, Optional

import torch
from layer_benchmark.bound import DTYPES
from layer_benchmark.measure import Progress, measure_shape
from layer_benchmark.pages import marker_lines
from layer_benchmark.report import Report, machine_facts, make_report
from layer_benchmark.shapes import GRID, SHAPES, TINY
from layer_benchmark.summary import summary
from layer_benchmark.tables import machine_line, markdown, shape_table, summary_table

from cbm_plugin.files import check_page, replace_between, write_text

BUDGET = 15.0  # seconds a shape: the float32 grid then takes about 7 minutes on 2 cores


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--dtype', choices=list(DTYPES), default='float32')
    parser.add_argument('--shapes', nargs='+', choices=list(SHAPES), metavar='NAME',
                        help='which stacks (default: all but those that take long); known: '
                        + ', '.join(SHAPES))
    parser.add_argument('--quick', action='store_true',
                        help='a tiny shape and 2 rounds: that it works, within seconds')
    parser.add_argument('--repeats', type=int, metavar='N',
                        help='rounds for each shape (default: as many as --budget allows, 3 to 25)')
    parser.add_argument('--budget', type=float, default=BUDGET, metavar='SECONDS',
                        help='for the rounds of one shape; 3 rounds are made in any case')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all rows')
    parser.add_argument('--plot', type=Path, metavar='FILE.png', help='draw speed and memory')
    parser.add_argument('--markdown', type=Path, metavar='FILE',
                        help='put the tables between the marker comments of a page')
    parser.add_argument('--from-json', type=Path, metavar='FILE',
                        help='measure nothing: print, draw, write what an earlier run measured')
    args = parser.parse_args(argv)
    _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Everything that would otherwise be lost after minutes of measuring."""
    if args.repeats is not None and args.repeats < 1:
        parser.error(f'--repeats is {args.repeats}, but must be at least 1')
    if args.budget <= 0:
        parser.error(f'--budget is {args.budget}, but must be positive')
    if args.device == 'cuda' and args.from_json is None and not torch.cuda.is_available():
        parser.error('--device is cuda, but PyTorch finds no GPU here: use --device cpu')
    for file in (args.json, args.plot, args.markdown):
        if file is not None and not file.parent.is_dir():
            parser.error(f'the folder of {file} does not exist: create it first')
    if args.plot is not None and args.plot.suffix != '.png':
        parser.error(f'--plot is {args.plot}, but must end with .png')
    if args.from_json is not None and not args.from_json.is_file():
        parser.error(f'there is no file {args.from_json}: measure with --json {args.from_json}')
    if args.markdown is not None and args.from_json is None:
        try:
            check_page(args.markdown, *marker_lines(args.device, args.dtype))
        except ValueError as error:
            parser.error(str(error))


def command_line(args: argparse.Namespace) -> str:
    """What repeats the measurement: nothing of where its results went."""
    parts = ['python tools/analysis_tools/benchmark_layers.py', f'--device {args.device}',
             f'--dtype {args.dtype}']
    if args.quick:
        parts.append('--quick')
    if args.shapes:
        parts.append('--shapes ' + ' '.join(args.shapes))
    if args.repeats is not None:
        parts.append(f'--repeats {args.repeats}')
    elif args.budget != BUDGET:
        parts.append(f'--budget {args.budget:g}')
    return ' '.join(parts)


def measure(args: argparse.Namespace) -> Report:
    """Run it, printing each shape's table as soon as it is known."""
    device = torch.device(args.device)
    machine = machine_facts(device)
    shapes = [SHAPES[name] for name in args.shapes or ()] or ([TINY] if args.quick else GRID)
    settings = dict(command=command_line(args), device=args.device, dtype=args.dtype)
    repeats = args.repeats or (2 if args.quick else None)
    progress = Progress(shapes, args.budget)
    results = []
    for number, shape in enumerate(shapes):
        results.append(measure_shape(shape, args.dtype, device, repeats=repeats,
                                     budget=args.budget,
                                     say=partial(progress.say, number, shape)))
        report = make_report(results, machine, settings)
        print(shape_table(report, report['shapes'][-1]) + '\n', flush=True)
    return report


def write_files(args: argparse.Namespace, report: Report) -> None:
    if args.json is not None:
        text = json.dumps(dict(report, summary=summary(report)), indent=1) + '\n'
        write_text(args.json, text)
    if args.markdown is not None:
        settings = report['settings']
        replace_between(args.markdown, *marker_lines(settings['device'], settings['dtype']),
                        markdown(report))
    if args.plot is not None:
        from layer_benchmark.plot import draw
        draw(report, args.plot)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    if args.from_json is not None:
        report = json.loads(args.from_json.read_text(encoding='utf-8'))
    else:
        report = measure(args)
    print(f'{machine_line(report)}\n\n{summary_table(report)}')
    try:
        write_files(args, report)
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == '__main__':
    main()
