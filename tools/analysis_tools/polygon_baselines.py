r"""Print what outlines reach that no network draws: what a Polygon-RNN must beat, and its ceiling.

    python tools/analysis_tools/polygon_baselines.py \
        data/shapes/test_200x192_seed0_v1/annotations.json

For any file in COCO's format, a Markdown table of IoUs in percent, as PolygonIoU counts them: over
objects, over classes, and of each class. A network must beat the box around each visible part, the
ellipse in the box, and the part's convex hull. A faultless one draws the true outline on its grid,
which stands there for each tolerance of EncodeOutline. Then the vertices of a part: mean and most.
"""
import argparse
import os
from collections import defaultdict
from functools import partial
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import cv2
import numpy as np

from cbm_plugin.polygon.data.coco import CocoPolygons
from cbm_plugin.polygon.geometry.crop import grown_box, to_image, to_unit
from cbm_plugin.polygon.geometry.grid import VertexGrid
from cbm_plugin.polygon.geometry.outline import polygon_iou
from cbm_plugin.progress import Progress

Part = Callable[[np.ndarray], Optional[np.ndarray]]
Objects = List[Tuple[int, List[np.ndarray]]]


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann_file', help="annotations in COCO's format")
    parser.add_argument('--images', metavar='DIR',
                        help='where file_name starts from (default: the folder of ANN_FILE)')
    parser.add_argument('--grid-size', type=int, default=28)
    parser.add_argument('--max-vertices', type=int, default=32)
    parser.add_argument('--tolerances', type=float, nargs='+', default=[0, 1, 2, 4],
                        help='of EncodeOutline, in square cells (default: 0 1 2 4)')
    return parser.parse_args(argv)


def box(part: np.ndarray) -> np.ndarray:
    """The box around a polygon, as a polygon."""
    (x1, y1), (x2, y2) = part.min(0), part.max(0)
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def ellipse(part: np.ndarray) -> np.ndarray:
    """The ellipse in the box around a polygon, 64 vertices."""
    low, high = part.min(0), part.max(0)
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return (low + high) / 2 + (high - low) / 2 * np.stack([np.cos(turn), np.sin(turn)], 1)


def hull(part: np.ndarray) -> np.ndarray:
    """The convex hull of a polygon."""
    return cv2.convexHull(part.astype(np.float32))[:, 0]


def on_grid(part: np.ndarray, grid: VertexGrid, max_vertices: int,
            tolerance: float) -> Optional[np.ndarray]:
    """A polygon as a network that makes no mistake would draw it; None if it is too thin."""
    crop = grown_box((*part.min(0), *part.max(0)))
    try:
        return to_image(grid.decode(grid.encode(to_unit(part, crop), max_vertices, tolerance)),
                        crop)
    except ValueError:
        return None


def read_objects(ann_file: str, images: Optional[str]) -> Tuple[Objects, Sequence[str]]:
    """Class and parts of each object, and the names of the classes."""
    data = CocoPolygons(ann_file, data_prefix=dict(img=images or os.path.dirname(ann_file)),
                        test_mode=True)
    objects: Dict[tuple, Tuple[int, List[np.ndarray]]] = {}
    for index in range(len(data)):
        info = data.get_data_info(index)
        _, parts = objects.setdefault((info['img_id'], info['object_id']), (info['category'], []))
        parts += info['parts']
    return list(objects.values()), data.metainfo['classes']


def ious(objects: Objects, draw: Part, what: str) -> Tuple[np.ndarray, np.ndarray]:
    """The IoU of each object whose parts are drawn by ``draw``, and the vertices of each part."""
    progress = Progress(f'objects compared ({what})', len(objects))
    values, vertices = [], []
    for number, (_, parts) in enumerate(objects):
        drawn = [outline for outline in map(draw, parts) if outline is not None]
        values.append(polygon_iou(drawn, parts))
        vertices += map(len, drawn)
        progress.update(number + 1)
    return np.array(values), np.array(vertices)


def row(name: str, objects: Objects, draw: Part) -> List[str]:
    """A line of the table."""
    values, vertices = ious(objects, draw, name)
    by_class = defaultdict(list)
    for (label, _), value in zip(objects, values):
        by_class[label].append(value)
    means = [np.mean(by_class[label]) for label in sorted(by_class)]
    return [name, *(f'{100 * value:.1f}' for value in (values.mean(), np.mean(means), *means)),
            *([f'{vertices.mean():.1f}', str(vertices.max())] if len(vertices) else ['', ''])]


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        objects, classes = read_objects(args.ann_file, args.images)
        grid = VertexGrid(args.grid_size)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    present = [classes[label] for label in sorted({label for label, _ in objects})]
    head = ['outline', 'objects', 'classes', *present, 'vertices', 'most']
    print(f'{len(objects)} objects, {sum(len(parts) for _, parts in objects)} parts; IoU in %')
    print()
    draws: Dict[str, Part] = {'box': box, 'ellipse in the box': ellipse, 'convex hull': hull}
    for tolerance in args.tolerances:
        draws[f'grid {grid.size}, tolerance {tolerance:g}'] = partial(
            on_grid, grid=grid, max_vertices=args.max_vertices, tolerance=tolerance)
    for cells in (head, ['---'] * len(head),
                  *(row(name, objects, draw) for name, draw in draws.items())):
        print('| ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
    main()
