"""Print how true outlines on a grid of cells can be: the IoU of a model that makes no mistake.

    python tools/analysis_tools/polygon_grid_ceiling.py ANN_FILE [--grid-size 28 ...]
        [--max-vertices 60]

ANN_FILE is in COCO's format; the images are not read. Every part of every object is encoded in the
crop of its own box (grown by 10%), decoded, and compared with the annotation at full resolution. A
Markdown table, a row for each grid: the mean IoU over instances, over classes, and of each class;
the vertices of the encoded outlines; and how many parts are too thin for the grid (IoU 0).
"""
import argparse
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from cbm_plugin.polygon.data.coco import CocoPolygons
from cbm_plugin.polygon.data.instances import Checked
from cbm_plugin.polygon.geometry.crop import grown_box, to_image, to_unit
from cbm_plugin.polygon.geometry.grid import VertexGrid
from cbm_plugin.polygon.geometry.outline import polygon_iou
from cbm_plugin.progress import Progress


class Ceiling(NamedTuple):
    """Of one grid, for each part: IoU and number of vertices (0 where it is too thin)."""
    ious: np.ndarray
    vertices: np.ndarray

    def row(self, labels: np.ndarray, classes: Sequence[str]) -> List[str]:
        """Cells of the table."""
        of_classes = [self.ious[labels == label].mean() if (labels == label).any() else np.nan
                      for label in range(len(classes))]
        means = [self.ious.mean(), np.nanmean(of_classes), *of_classes]
        kept = self.vertices[self.vertices > 0]
        lengths = f'{np.median(kept):.0f}, {kept.max()}' if len(kept) else '-'
        return [*(f'{mean:.4f}' for mean in means), lengths, str(int((self.vertices == 0).sum()))]


def read_parts(ann_file: str) -> Tuple[List[np.ndarray], np.ndarray, Sequence[str]]:
    """Polygons, their classes (numbers), and the classes' names."""
    data_set = CocoPolygons(ann_file, lazy_init=True)
    checked = Checked('parts', 0.)
    data_set.read_objects(checked)
    if not checked.instances:
        raise SystemExit(f'{ann_file} holds no valid outline')
    parts = [(part, instance['category']) for instance in checked.instances
             for part in instance['parts']]
    return [part for part, _ in parts], np.array([label for _, label in parts]), \
        data_set.metainfo['classes']


def round_trip(polygon: np.ndarray, grid: VertexGrid, max_vertices: int) -> Tuple[float, int]:
    """IoU of a polygon with itself decoded, and how many vertices it was encoded with."""
    crop = grown_box((*polygon.min(0), *polygon.max(0)))
    try:
        cells = grid.encode(to_unit(polygon, crop), max_vertices)
    except ValueError:
        return 0., 0
    return polygon_iou([polygon], [to_image(grid.decode(cells), crop)]), len(cells)


def main(argv: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('ann_file', metavar='ANN_FILE')
    parser.add_argument('--grid-size', type=int, nargs='+', default=[14, 28, 56, 112])
    parser.add_argument('--max-vertices', type=int, default=60)
    args = parser.parse_args(argv)
    if args.max_vertices < 3:
        parser.error(f'--max-vertices is {args.max_vertices}, but a polygon has at least 3')
    grids = [VertexGrid(size) for size in args.grid_size]
    polygons, labels, classes = read_parts(args.ann_file)
    progress = Progress('outlines encoded', len(grids) * len(polygons))
    rows = [['grid', 'instances', 'classes', *classes, 'vertices (median, most)', 'too thin']]
    rows.append(['---'] * len(rows[0]))
    for number, grid in enumerate(grids):
        results = []
        for polygon in polygons:
            results.append(round_trip(polygon, grid, args.max_vertices))
            progress.update(number * len(polygons) + len(results))
        ious, vertices = (np.array(column) for column in zip(*results))
        rows.append([f'{grid.size} x {grid.size}', *Ceiling(ious, vertices).row(labels, classes)])
    print('\n'.join('| ' + ' | '.join(row) + ' |' for row in rows))


if __name__ == '__main__':
    main()
