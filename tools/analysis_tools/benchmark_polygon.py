"""Time the decoding of outlines: carried state, batches, corrections, and IoU of polygons.

    python tools/analysis_tools/benchmark_polygon.py --json polygon.json
    python tools/analysis_tools/benchmark_polygon.py --model published --vertices 30 --rounds 1

What is compared runs in this process, in turns, so that whatever else the machine does meets both:

prefix       greedy and beam search, features given: the state goes along from vertex to vertex,
             against the same search that runs all vertices so far again for each new one
batch        crops of one image, trunk included: all in one batch against one by one
corrections  one vertex of an outline is corrected, at random: the answer against a full prediction
             (trunk included); and by where in the outline the vertex was
ious         polygon_ious of 10,000 pairs of outlines of 30 vertices, some 150 pixels across

Weights are random; they cost the same time. So that outlines have all the vertices that are asked
for, the end is suppressed and the next vertex is drawn to a circle, around which random logits make
each outline another one. Outlines of both sides must be equal, or the command fails.
"""
import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import numpy as np
import torch
from layer_benchmark.report import machine_facts
from mmengine.registry import init_default_scope
from torch import Tensor

from cbm_plugin.engine.user_errors import fail
from cbm_plugin.files import check_page, replace_between, write_text
from cbm_plugin.layers import POLYGON_CHANNELS, State
from cbm_plugin.polygon import PolygonRNN, VertexGrid, decode
from cbm_plugin.polygon.annotation.interaction import PolygonSession
from cbm_plugin.polygon.geometry.outline import polygon_ious
from cbm_plugin.polygon.network.positions import NO_VERTEX, Positions
from cbm_plugin.progress import Progress

BEGIN, END = ('<!-- benchmark_polygon: begin -->', '<!-- benchmark_polygon: end -->')
MODELS = dict(
    light=(112, dict(
        backbone=dict(type='SmallTrunk'), feature_channels=32, cells_per_feature=2,
        rnn=dict(hidden_channels=[16] * 15, shortcuts=5,
                 layer=dict(type='CBM', activation='relu', norm='BN', temporal_dropout=0.5)),
        head=dict(type='MapVertexHead'))),
    published=(224, dict(
        backbone=dict(type='PolygonVGG'),
        rnn=dict(variant='polygon', hidden_channels=POLYGON_CHANNELS[15],
                 layer=dict(type='CBM')))))
"""Pixels of the crop, and the network."""
Seconds = Dict[str, List[float]]


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', choices=list(MODELS), default='light',
                        help="the configs' small one (default), or the published 15 layers")
    parser.add_argument('--parts', nargs='+', choices=list(PARTS), default=list(PARTS),
                        help='of the benchmark (default: all)')
    parser.add_argument('--vertices', type=int, default=60, help='of an outline (default: 60)')
    parser.add_argument('--boxes', type=int, default=100, help='of a batch (default: 100)')
    parser.add_argument('--beam-width', type=int, default=8, help='(default: 8)')
    parser.add_argument('--rounds', type=int, default=3, help='of each comparison (default: 3)')
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--quick', action='store_true',
                        help='few short outlines and 1 round: that it works, within seconds')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures')
    parser.add_argument('--markdown', type=Path, metavar='FILE',
                        help='put the table between the marker comments of a page')
    args = parser.parse_args(argv)
    if args.quick:
        args.vertices, args.boxes, args.rounds, args.beam_width = 8, 3, 1, 2
    for name, least in (('vertices', 4), ('boxes', 1), ('rounds', 1), ('beam_width', 1)):
        if getattr(args, name) < least:
            parser.error(f'--{name.replace("_", "-")} is {getattr(args, name)}, but must be at '
                         f'least {least}')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device is cuda, but PyTorch finds no GPU here: use --device cpu')
    for file in (args.json, args.markdown):
        if file is not None and not file.parent.is_dir():
            parser.error(f'the folder of {file} does not exist: create it first')
    if args.markdown is not None:
        try:
            check_page(args.markdown, BEGIN, END)
        except ValueError as error:
            parser.error(str(error))
    return args


class Circling:
    """A model whose outlines go around a circle and do not end by themselves.

    Args:
        model: gives the logits that are added to.
        vertices: once around.
    """

    training = False

    def __init__(self, model: PolygonRNN, vertices: int) -> None:
        self.model, self.grid, self.max_vertices = model, model.grid, vertices
        self.extract_feat, self.first_logits = model.extract_feat, model.first_logits
        self.end_above = model.end_above
        self.drawn = _drawn_to_a_circle(model.grid, vertices).to(next(model.parameters()).device)

    def step(self, features: Tensor, first: Tensor, before: Tensor, last: Tensor,
             state: Optional[State] = None) -> Tuple[Tensor, State]:
        logits, state = self.model.step(features, first, before, last, state)
        return logits + self.drawn[last], state


class Prefix(Circling):
    """Its twin without memory: what it carries is the vertices so far, which all run again."""

    def step(self, features: Tensor, first: Tensor, before: Tensor, last: Tensor,
             state: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        path = last[:, None] if state is None else torch.cat([state, last[:, None]], dim=1)
        none = torch.full_like(first, NO_VERTEX)[:, None]
        positions = Positions(first, torch.cat([none, path[:, :-1]], dim=1), path, path)
        logits, _ = self.model.sequence_logits(features, positions)
        return logits[:, -1] + self.drawn[last], path


def _drawn_to_a_circle(grid: VertexGrid, vertices: int) -> Tensor:
    """Added to the logits after each cell ``(cells, tokens)``: minus the squared distance from the
    point a little further around a circle; the end is out of the question.
    """
    middle, radius = (grid.size - 1) / 2, 0.43 * grid.size
    row, column = np.divmod(np.arange(grid.cells), grid.size)
    angle = np.arctan2(row - middle, column - middle) + 2 * np.pi / (vertices + 2)
    x, y = middle + radius * np.cos(angle), middle + radius * np.sin(angle)
    distances = (column - x[:, None]) ** 2 + (row - y[:, None]) ** 2
    return torch.tensor(np.pad(-distances, ((0, 0), (0, 1)), constant_values=-1e6)).float()


def build(args: argparse.Namespace) -> Tuple[PolygonRNN, Callable[[int], Tensor]]:
    """A network of random weights, and what makes so many crops for it."""
    init_default_scope('mmaction')
    torch.manual_seed(0)
    size, options = MODELS[args.model]
    model = PolygonRNN(**options).to(args.device).eval()

    def crops(number: int) -> Tensor:
        drawn = torch.randn(number, 3, size, size, generator=torch.Generator().manual_seed(0))
        return drawn.to(args.device)

    return model, crops


def in_turns(sides: Dict[str, Callable[[], Any]], rounds: int, same: bool = True) -> Seconds:
    """Seconds of each side in each round.

    Raises:
        SystemExit: ``same`` is asked for, and the sides give different results.
    """
    seconds: Seconds = {name: [] for name in sides}
    for _ in range(rounds):
        results = []
        for name, run in sides.items():
            start = time.perf_counter()
            results.append(run())  # ends with cells on the CPU: nothing is left running
            seconds[name].append(time.perf_counter() - start)
        if same and any(result != results[0] for result in results):
            fail(f'{" and ".join(sides)} gave different outlines: the comparison means nothing')
    return seconds


def cells_of(model: Circling, features: Tensor, width: int, vertices: int) -> List[List[int]]:
    """Decoded outlines, checked for their length."""
    found = [outline.cells for outline in decode(model, features, width, vertices)]
    if any(len(cells) != vertices for cells in found):
        fail(f'outlines have {sorted({len(cells) for cells in found})} vertices, not {vertices}')
    return found


@torch.no_grad()
def prefix_part(args: argparse.Namespace) -> List[dict]:
    """Carried state against running the prefix again."""
    model, crops = build(args)
    features = model.extract_feat(crops(1))
    carried, again = (kind(model, args.vertices) for kind in (Circling, Prefix))
    rows = []
    for name, width in (('greedy', 1), (f'beam of {args.beam_width}', args.beam_width)):
        cells_of(carried, features, width, args.vertices)  # warm up
        seconds = in_turns({
            side: partial(cells_of, search, features, width, args.vertices)
            for side, search in (('prefix', again), ('carried', carried))}, args.rounds)
        rows.append(ratio_row(f'{name}, {args.vertices} vertices: prefix again / state carried',
                              seconds, 'prefix', 'carried', 'at least 10'))
    return rows


@torch.no_grad()
def batch_part(args: argparse.Namespace) -> List[dict]:
    """All boxes in one batch against one by one."""
    model, crops = build(args)
    circling, inputs = Circling(model, args.vertices), crops(args.boxes)

    def outlines(part: Tensor) -> List[List[int]]:
        return cells_of(circling, model.extract_feat(part), 1, args.vertices)

    outlines(inputs[:1])  # warm up
    seconds = in_turns({'single': lambda: [outlines(part)[0] for part in inputs.split(1)],
                        'batch': lambda: outlines(inputs)}, args.rounds)
    return [ratio_row(f'{args.boxes} boxes, {args.vertices} vertices: one by one / in one batch',
                      seconds, 'single', 'batch', 'at least 5')]


def corrections_part(args: argparse.Namespace) -> List[dict]:
    """One corrected vertex against a full prediction, at random and by thirds of the outline."""
    model, crops = build(args)
    inputs, rng = crops(1), np.random.default_rng(0)
    seconds: Seconds = {name: [] for name in ('full', *THIRDS)}
    for vertices in sorted({args.vertices // 2, 3 * args.vertices // 4, args.vertices}):
        circling = Circling(model, vertices)
        predict = partial(PolygonSession.of_crop, circling, inputs, (0, 0, 100, 100))
        session = predict()
        for _ in range(args.rounds):
            for third, name in enumerate(THIRDS):
                number = int(vertices * (third + rng.random()) / 3)
                answer = partial(session.copy().correct, {number: _beside(session, number, rng)})
                found = in_turns({'full': predict, name: answer}, 1, same=False)
                for side, values in found.items():
                    seconds[side] += values
    seconds['any'] = sum((seconds[name] for name in THIRDS), [])
    what = f'outlines of {args.vertices // 2} to {args.vertices} vertices'
    return [ratio_row(f'{what}: answer to a correction {place} / full prediction', seconds, name,
                      'full', goal, statistics.fmean)
            for name, place, goal in [('any', 'anywhere', 'below 0.33'),
                                      *((name, f'in the {name} third', '') for name in THIRDS)]]


THIRDS = ('first', 'middle', 'last')


def _beside(session: PolygonSession, number: int, rng: np.random.Generator) -> int:
    """A free cell beside a vertex."""
    size = session.model.grid.size
    row, column = divmod(session.cells[number], size)
    near = [r * size + c for r in range(max(row - 1, 0), min(row + 2, size))
            for c in range(max(column - 1, 0), min(column + 2, size))]
    return int(rng.choice([cell for cell in near if cell not in session.cells]))


def ious_part(args: argparse.Namespace) -> List[dict]:
    """Seconds for the IoUs of many pairs."""
    rng, number = np.random.default_rng(0), 100 if args.quick else 10_000
    turn = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1)

    def outline() -> list:
        return [200 + rng.uniform(-20, 20, 2) + rng.uniform(50, 100, (30, 1)) * around]

    pairs = [(outline(), outline()) for _ in range(number)]
    found = in_turns({'ious': lambda: polygon_ious(pairs)}, args.rounds, same=False)['ious']
    return [dict(what=f'IoUs of {number:,} pairs of polygons', seconds=dict(ious=found),
                 value=statistics.median(found), unit='s', goal='')]


PARTS = dict(prefix=prefix_part, batch=batch_part, corrections=corrections_part, ious=ious_part)


def ratio_row(what: str, seconds: Seconds, above: str, below: str, goal: str,
              average: Callable[[Sequence[float]], float] = statistics.median) -> dict:
    """Average seconds of one side over those of the other."""
    times = {side: average(seconds[side]) for side in (above, below)}
    return dict(what=what, seconds={side: seconds[side] for side in (above, below)},
                value=times[above] / times[below], unit='', goal=goal, averages=times)


def command_line(args: argparse.Namespace) -> str:
    """What repeats the measurement."""
    if args.quick:
        return f'python tools/analysis_tools/benchmark_polygon.py --model {args.model} --quick'
    return (f'python tools/analysis_tools/benchmark_polygon.py --model {args.model} '
            f'--parts {" ".join(args.parts)} --vertices {args.vertices} --boxes {args.boxes} '
            f'--beam-width {args.beam_width} --rounds {args.rounds} --device {args.device}')


def markdown(report: dict) -> str:
    """The table of a page."""
    machine = report['machine']
    lines = [f'`{report["command"]}`', '',
             f'{machine["gpu"] or machine["cpu"]}, {machine["threads"]} threads, '
             f'PyTorch {machine["torch"]}', '',
             '| what | seconds | ratio | goal |', '| --- | --- | --- | --- |']
    for row in report['rows']:
        if row['unit']:
            lines.append(f'| {row["what"]} | {row["value"]:.2f} | | |')
        else:
            above, below = row['averages'].values()
            lines.append(f'| {row["what"]} | {above:.3f} / {below:.3f} | {row["value"]:.2f} '
                         f'| {row["goal"]} |')
    return '\n'.join(lines) + '\n'


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    report = dict(command=command_line(args), machine=machine_facts(torch.device(args.device)),
                  rows=[])
    progress = Progress('parts', len(args.parts))
    for number, name in enumerate(args.parts, 1):
        report['rows'] += PARTS[name](args)
        progress.update(number)
    print(markdown(report), end='')
    if args.json is not None:
        write_text(args.json, json.dumps(report, indent=1) + '\n')
    if args.markdown is not None:
        replace_between(args.markdown, BEGIN, END, markdown(report))


if __name__ == '__main__':
    main()
