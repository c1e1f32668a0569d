"""Count the clicks that a simulated annotator needs until a model's outlines are good.

    python tools/analysis_tools/polygon_clicks.py CONFIG CHECKPOINT
    python tools/analysis_tools/polygon_clicks.py CONFIG CHECKPOINT --ious 0.8 0.9 --thresholds 1 2

For each annotated outline of the config's test data: the model outlines its crop, then the first
vertex that is farther from the true outline than the threshold (in cells of the grid) is replaced
by a true one and the rest is predicted again, until the IoU is reached or nothing is wrong: see
``simulate_clicks`` of ``cbm_plugin.polygon`` for the protocol. Prints a Markdown table:
with every threshold the IoU that the network reaches alone and that after the last click, and for
each IoU that is wanted the mean number of clicks an outline (those that never reach it count with
all their clicks) and the share of outlines that reach it. IoU is that of one outline, in pixels of
the image.
"""
import argparse
import json
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate

from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.files import write_text
from cbm_plugin.polygon import PolygonRNN
from cbm_plugin.polygon.annotation.inferencer import PolygonInferencer
from cbm_plugin.polygon.annotation.interaction import PolygonSession, simulate_clicks
from cbm_plugin.progress import Progress
from cbm_plugin.registry import DATASETS

Row = Dict[str, float]


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of a polygon model')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('--ious', type=float, nargs='+', default=[0.8, 0.9], metavar='IOU',
                        help='at which the annotator is content (default: 0.8 0.9)')
    parser.add_argument('--thresholds', type=float, nargs='+', default=[1, 2], metavar='CELLS',
                        help='from which on a vertex is wrong (default: 1 2)')
    parser.add_argument('--max-clicks', type=int, metavar='N',
                        help='on one outline (default: until no vertex is wrong)')
    parser.add_argument('--limit', type=int, metavar='N', help='the first N outlines only')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu',
                        help='where to run (default: the GPU if there is one)')
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='write the table and the IoUs of every outline after each click')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='change entries of the config: key=value, with dots for nested keys')
    args = parser.parse_args(argv)
    if not all(0 < iou <= 1 for iou in args.ious):
        parser.error(f'--ious has {args.ious}, but they must lie in (0, 1]')
    if min(args.thresholds) < 0:
        parser.error(f'--thresholds has {min(args.thresholds)}, but must not be negative')
    for name in ('max_clicks', 'limit'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1')
    if args.json is not None and not args.json.parent.is_dir():
        parser.error(f'the folder of {args.json} does not exist: create it first')
    return args


def sessions(model: PolygonRNN, cfg: Config, limit: Optional[int]
             ) -> Iterator[Tuple[PolygonSession, np.ndarray]]:
    """A session on each sample of the test data, and its largest true part."""
    data = DATASETS.build(cfg.test_dataloader.dataset)
    number = min(len(data), limit or len(data))
    progress = Progress('outlines', number)
    for index in range(number):
        batch = model.data_preprocessor(pseudo_collate([data[index]]))
        sample = batch['data_samples'][0]
        truth = max(sample.parts, key=lambda part: float(np.ptp(part, axis=0).prod()))
        with torch.no_grad():
            yield PolygonSession.of_crop(model, batch['inputs'], sample.crop), np.asarray(truth)
        progress.update(index + 1)


def simulate(model: PolygonRNN, cfg: Config, args: argparse.Namespace
             ) -> Tuple[Dict[float, List[List[float]]], int]:
    """IoUs after 0, 1, 2 ... clicks of each outline, by threshold; and how many were too thin."""
    ious: Dict[float, List[List[float]]] = {threshold: [] for threshold in args.thresholds}
    thin = 0
    for session, truth in sessions(model, cfg, args.limit):
        try:
            found = [simulate_clicks(session.copy(), truth, threshold, max(args.ious),
                                     args.max_clicks).ious for threshold in args.thresholds]
        except ValueError:  # the true outline has no area on the grid
            thin += 1
            continue
        for threshold, values in zip(args.thresholds, found):
            ious[threshold].append(values)
    return ious, thin


def clicks_until(ious: Sequence[float], wanted: float) -> int:
    """Clicks until an IoU is reached; all that were made where it never is."""
    return next((clicks for clicks, iou in enumerate(ious) if iou >= wanted), len(ious) - 1)


def table_row(threshold: float, ious: List[List[float]], wanted: Sequence[float]) -> Row:
    """The figures of one threshold."""
    row = dict(threshold=threshold, iou_before=float(np.mean([values[0] for values in ious])),
               iou_after=float(np.mean([values[-1] for values in ious])))
    for iou in wanted:
        row[f'clicks_{iou:g}'] = float(np.mean([clicks_until(values, iou) for values in ious]))
        row[f'reached_{iou:g}'] = float(np.mean([max(values) >= iou for values in ious]))
    return row


def table(rows: List[Row], wanted: Sequence[float]) -> str:
    """As Markdown."""
    head = ['a vertex is wrong', 'IoU, no click', 'IoU, last click']
    for iou in wanted:
        head += [f'clicks to {iou:g}', f'reach {iou:g}']
    lines = [head, ['---'] * len(head)]
    for row in rows:
        cells = [f'farther than {row["threshold"]:g}', f'{100 * row["iou_before"]:.1f}',
                 f'{100 * row["iou_after"]:.1f}']
        for iou in wanted:
            cells += [f'{row[f"clicks_{iou:g}"]:.2f}', f'{100 * row[f"reached_{iou:g}"]:.1f}%']
        lines.append(cells)
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    with explain_user_errors(cfg):
        try:
            model = PolygonInferencer(cfg, args.checkpoint, args.device).model
            ious, thin = simulate(model, cfg, args)
        except (FileNotFoundError, ImportError, ValueError) as error:
            fail(str(error))
    number = len(ious[args.thresholds[0]])
    if not number:
        fail(f'all of the {thin} true outlines are too thin for the grid')
    rows = [table_row(threshold, ious[threshold], args.ious) for threshold in args.thresholds]
    print(f'{number} outlines' + f', {thin} left out as too thin for the grid' * bool(thin))
    print()
    print(table(rows, args.ious))
    if args.json is not None:
        content = dict(outlines=number, too_thin=thin, rows=rows, ious_after_clicks={
            f'{threshold:g}': values for threshold, values in ious.items()})
        write_text(args.json, json.dumps(content, indent=1) + '\n')


if __name__ == '__main__':
    main()
