"""Draw what a polygon model is fed: crops, outlines on the grid, and the clips to train on.

    python tools/visualizations/browse_polygons.py CONFIG --out polygons --number 20

Every picture is a crop as it leaves the pipeline, with the grid, the outline (white ring: vertex 0,
where it starts), what the model is shown where that was jittered (red), and a bar for each clip.
Test data have no outline on the grid: there the annotated one is drawn.
"""
import argparse
from pathlib import Path
from typing import List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import cv2
import numpy as np
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

from cbm_plugin.engine import SampleIndex
from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.overlap import ClipPlan
from cbm_plugin.polygon import PolygonDataSample, VertexGrid
from cbm_plugin.polygon.annotation.drawing import class_colour, text_colour
from cbm_plugin.polygon.geometry.crop import to_unit
from cbm_plugin.progress import Progress
from cbm_plugin.registry import DATASETS

SIDE = 560  # pixels of the picture of a crop
BAR = 14  # height of a clip's bar
GREY, WHITE, RED = (128, 128, 128), (255, 255, 255), (60, 60, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def picture(crop: np.ndarray, sample: PolygonDataSample, grid: VertexGrid,
            classes: List[str]) -> np.ndarray:
    """One sample.

    Args:
        crop: uint8 BGR ``(S, S, 3)``.
        sample: with ``vertices`` in training, ``parts`` and ``crop`` in testing.
        grid: the one that the vertices are on.
        classes: names.

    Returns:
        uint8 BGR.
    """
    canvas = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    colour = class_colour(sample.category)
    if 'vertices' in sample:
        _draw_grid(canvas, grid)
        outline = grid.decode(sample.vertices.numpy())
        _draw_outline(canvas, outline, colour)
        _draw_numbers(canvas, outline)
        for cell in grid.decode(sample.get('input_vertices', sample.vertices).numpy()):
            cv2.circle(canvas, _pixel(cell), 3, RED if 'input_vertices' in sample else colour, -1)
    else:
        for part in sample.parts:
            _draw_outline(canvas, to_unit(part, sample.crop), colour)
    number = f', {len(sample.vertices)} vertices' if 'vertices' in sample else ''
    title = np.full((2 * BAR, SIDE, 3), colour, np.uint8)
    cv2.putText(title, classes[sample.category] + number, (6, 20), FONT, 0.5, text_colour(colour),
                1, cv2.LINE_AA)
    return np.concatenate([title, canvas, _clip_bars(sample.get('clip_plan'))])


def _pixel(point: np.ndarray) -> tuple:
    return tuple(int(round(value * SIDE)) for value in point)


def _draw_grid(canvas: np.ndarray, grid: VertexGrid) -> None:
    for place in np.linspace(0, SIDE, grid.size + 1).round().astype(int).tolist():
        canvas[:, min(place, SIDE - 1)] = canvas[:, min(place, SIDE - 1)] // 2 + 64
        canvas[min(place, SIDE - 1)] = canvas[min(place, SIDE - 1)] // 2 + 64


def _draw_outline(canvas: np.ndarray, outline: np.ndarray, colour: tuple) -> None:
    points = np.array([_pixel(point) for point in outline])
    cv2.polylines(canvas, [points], True, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.polylines(canvas, [points], True, colour, 2, cv2.LINE_AA)


def _draw_numbers(canvas: np.ndarray, outline: np.ndarray) -> None:
    """Every fifth vertex, and a ring around the first."""
    cv2.circle(canvas, _pixel(outline[0]), 9, WHITE, 2, cv2.LINE_AA)
    for number in range(0, len(outline), 5):
        x, y = _pixel(outline[number])
        place = min(x + 10, SIDE - 20), min(max(y - 6, 14), SIDE - 4)
        for shade, width in (((0, 0, 0), 3), (WHITE, 1)):
            cv2.putText(canvas, str(number), place, FONT, 0.5, shade, width, cv2.LINE_AA)


def _clip_bars(plan: Optional[ClipPlan]) -> np.ndarray:
    """The whole outline as a line of its positions, each clip as a bar below it."""
    clips = plan.clips if plan else ()
    bars = np.full((BAR * len(clips) + (4 if clips else 0), SIDE, 3), 255, np.uint8)
    for row, clip in enumerate(clips):
        left, right = (place * (SIDE - 1) // plan.length for place in clip)
        top = row * BAR + 4
        bars[top:top + BAR - 4, left:right] = GREY
        cv2.putText(bars, f'{clip.start}-{clip.stop - 1}', (left + 4, top + BAR - 5), FONT, 0.35,
                    WHITE, 1, cv2.LINE_AA)
    return bars


def grid_of(pipeline: List[dict]) -> VertexGrid:
    """The grid that a pipeline encodes on."""
    sizes = [step.get('grid_size', 28) for step in pipeline if step['type'] == 'EncodeOutline']
    return VertexGrid(*sizes[:1])


def browse(cfg: Config, split: str, number: int, out: Path) -> List[Path]:
    """Write pictures of samples spread evenly over a data set; their files."""
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    settings = cfg[f'{split}_dataloader'].dataset
    with explain_user_errors(cfg):
        dataset = DATASETS.build(settings)
    grid = grid_of(settings.pipeline)
    seed = cfg.get('randomness', {}).get('seed') or 0
    number = min(number, len(dataset))
    out.mkdir(parents=True, exist_ok=True)
    written, progress = [], Progress('pictures drawn', number)
    for index in np.arange(number) * len(dataset) // max(number, 1):
        packed = dataset[SampleIndex(int(index), seed)]
        crop, sample = packed['inputs'].numpy().transpose(1, 2, 0), packed['data_samples']
        for name, fault in sample.get('faults', ()):
            print(f'failed and was replaced: {name}: {fault}')
        written.append(out / f'{split}_{index:05d}.png')
        drawn = picture(np.ascontiguousarray(crop), sample, grid, dataset.metainfo['classes'])
        if not cv2.imwrite(str(written[-1]), drawn):
            fail(f'cannot write {written[-1]}')
        progress.update(len(written))
    return written


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw crops, outlines and clips as a polygon model is fed them')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--out', type=Path, default=Path('polygons'), help='folder for the pictures')
    parser.add_argument('--number', type=int, default=20, help='so many, spread over the data set')
    parser.add_argument(
        '--split', choices=['train', 'val', 'test'], default='train', help='which data loader')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction,
        help='change entries of the config: key=value, with dots for nested keys')
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    if args.number < 1:
        fail(f'--number is {args.number}, but must be at least 1')
    written = browse(cfg, args.split, args.number, args.out)
    print(f'wrote {len(written)} pictures to {args.out}')


if __name__ == '__main__':
    main()
