"""Geometry of polygons: arrays ``(n, 2)`` of x, y with y down, closed implicitly.

numpy and OpenCV alone. A pixel counts as covered where its centre, half a pixel from its corner,
lies inside: unbiased, unlike ``cv2.fillPoly``, which also covers all pixels the outline touches.
"""
from typing import Iterable, Optional, Sequence, Tuple

import cv2
import numpy as np

Parts = Sequence[np.ndarray]
"""Polygons of one object. Where they lie over each other, the object covers the ground once."""

MAX_PIXELS = 100_000_000
"""A mask never becomes larger (100 megapixels, as images): wild coordinates are refused."""


def signed_area(polygon: np.ndarray) -> float:
    """Area in square units; positive where the vertices run clockwise on the screen (y down)."""
    points = _points(polygon)
    if not len(points):
        return 0.
    points = points - points[0]
    return float(_cross(points, np.roll(points, -1, axis=0)).sum() / 2)


def is_simple(polygon: np.ndarray) -> bool:
    """Whether the outline neither crosses nor touches itself: what GIS calls a valid ring.

    Neighbouring edges may share their vertex alone. Equal neighbours count as one vertex, a vertex
    on the straight line between its neighbours is allowed. False for fewer than 3 vertices.
    """
    points = without_repeats(polygon)
    return len(points) >= 3 and not tangled_edges(points).any()


def tangled_edges(polygon: np.ndarray) -> np.ndarray:
    """Which edges, from each vertex to the next, cross, touch or fold back on another.

    Args:
        polygon: ``(n, 2)`` without equal neighbours.

    Returns:
        bool ``(n,)``.
    """
    starts = _points(polygon)
    ends = np.roll(starts, -1, axis=0)
    edges, following = ends - starts, np.roll(ends, -1, axis=0) - ends
    tangled = (_cross(edges, following) == 0) & ((edges * following).sum(1) < 0)
    every = np.arange(len(starts))
    for block in np.array_split(every, -(-len(starts) // 256)):  # bounds the memory
        apart = (every - block[:, None]) % len(starts)
        touch = segments_touch(starts[block, None], ends[block, None], starts, ends)
        tangled[block] |= (touch & (apart > 1) & (apart < len(starts) - 1)).any(1)
    return tangled


def segments_touch(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Whether the closed segments a-b and c-d share a point; ``(..., 2)`` arrays that broadcast."""
    boxes_meet = ((np.minimum(a, b) <= np.maximum(c, d))
                  & (np.minimum(c, d) <= np.maximum(a, b))).all(-1)
    first, second = b - a, d - c
    return (boxes_meet
            & (np.sign(_cross(first, c - a)) * np.sign(_cross(first, d - a)) <= 0)
            & (np.sign(_cross(second, a - c)) * np.sign(_cross(second, b - c)) <= 0))


def without_repeats(polygon: np.ndarray) -> np.ndarray:
    """The polygon without vertices equal to the one before; the last is before the first."""
    points = _points(polygon)
    return points[(points != np.roll(points, 1, axis=0)).any(1)]


def canonical(polygon: np.ndarray) -> np.ndarray:
    """One writing of each outline.

    Without equal neighbours, clockwise on the screen, from the topmost vertex on (of several, the
    leftmost). An outline of no area keeps its direction.
    """
    points = without_repeats(polygon)
    if signed_area(points) < 0:
        points = points[::-1]
    start = np.lexsort((points[:, 0], points[:, 1]))[:1]
    return np.roll(points, -int(start.sum()), axis=0)


def triangle_areas(polygon: np.ndarray) -> np.ndarray:
    """Area of the triangle of each vertex with its neighbours, ``(n,)``."""
    points = _points(polygon)
    edges = np.diff(np.concatenate([points[-1:], points, points[:1]]), axis=0)
    return np.abs(_cross(edges[:-1], edges[1:])) / 2


def untangled(polygon: np.ndarray) -> np.ndarray:
    """A simple outline by leaving out vertices, for outlines on a grid.

    One at a time, of the edges that touch another, the vertex of the least triangle. At least 3
    vertices that span an area remain, or fewer than 3.
    """
    points = without_repeats(polygon)
    while len(points) >= 3:
        tangled = tangled_edges(points)
        if not tangled.any():
            break
        ends_one = tangled | np.roll(tangled, 1)
        areas = np.where(ends_one, triangle_areas(points), np.inf)
        points = without_repeats(np.delete(points, areas.argmin(), axis=0))
    return points


def simplified(polygon: np.ndarray, max_vertices: int, tolerance: float = 0.) -> np.ndarray:
    """Fewer vertices by Visvalingam and Whyatt (1993), in the given order.

    Removed, one at a time, is the vertex whose triangle with its neighbours is the smallest: until
    at most ``max_vertices`` remain and every triangle is larger than ``tolerance``. A vertex whose
    removal would make a new crossing waits, so a simple outline stays simple. Never fewer than 3
    remain.

    Args:
        tolerance: area in square units of the polygon; the default 0 removes vertices that lie on
            the line between their neighbours, which changes no shape.

    Raises:
        ValueError: ``max_vertices`` is below 3.
    """
    if max_vertices < 3:
        raise ValueError(f'max_vertices is {max_vertices}, but a polygon has at least 3')
    points = without_repeats(polygon)
    while len(points) > 3:
        areas = triangle_areas(points)
        order = np.argsort(areas, kind='stable')
        if len(points) <= max_vertices:
            order = order[areas[order] <= tolerance]
        free = (int(index) for index in order
                if areas[index] == 0 or not _is_needed(points, int(index)))
        # every simple outline has a free vertex ("ear"); of a crossing one the smallest goes
        removed = next(free, int(order[0]) if len(points) > max_vertices else None)
        if removed is None:
            break
        points = np.delete(points, removed, axis=0)
        if (points[removed - 1] == points[removed % len(points)]).all():
            points = without_repeats(points)
    return points


def repaired(polygon: np.ndarray) -> np.ndarray:
    """A simple polygon of at least 3 vertices and some area, ``(m, 2)`` float64.

    A simple outline is returned as it is (without equal neighbours), and so is one that becomes
    simple by leaving out spikes of no width. Any other is drawn on a lattice of at least 512 cells
    along each axis (one a pixel on larger ones, at most 2048), where everything counts that the
    outline winds around (non-zero rule); of the largest connected piece the outer border is
    followed and simplified (Douglas and Peucker) to one cell. So the smaller lobe of a figure of
    eight is lost, holes are filled, and vertices move by about a cell. Where the outline is too
    thin to cover any cell, its convex hull is returned.

    Raises:
        ValueError: nothing is enclosed: fewer than 3 different vertices, or all in a line; or a
            coordinate is not finite.
    """
    points = without_repeats(polygon)
    hull = _hull(points)
    if hull is None:
        raise ValueError(f'the polygon encloses no area and cannot be repaired: its {len(points)} '
                         f'vertices lie in a line: {points[:4].round(3).tolist()} ...')
    for candidate in (points, simplified(points, max(3, len(points)))):
        if is_simple(candidate):
            return candidate
    low, size = _box(points)
    width, height = (int(cells) for cells in np.clip(np.ceil(size), 512, 2048))
    scale = size / (width, height)
    mask = _windings((points - low) / scale, height, width) != 0
    border = _border(mask.view(np.uint8))
    return hull if border is None else low + border * scale


def rasterised(parts: Parts, height: int, width: int) -> np.ndarray:
    """Mask ``(height, width)``, uint8: 1 where the centre of a pixel lies in a part.

    Within one part the even-odd rule holds, as in COCO's and OpenCV's masks: what a crossing
    outline encloses twice is a hole. Parts may reach beyond the mask.

    Raises:
        ValueError: the mask would have more than 100 megapixels; a coordinate is not finite.
    """
    if height * width > MAX_PIXELS:
        raise ValueError(f'a mask of {width} x {height} pixels is more than {MAX_PIXELS}: are the '
                         f'coordinates in pixels?')
    mask = np.zeros((height, width), np.uint8)
    for part in parts:
        mask |= (_windings(_points(part), height, width) & 1).view(np.uint8)
    return mask


def polygon_iou(parts_a: Parts, parts_b: Parts) -> float:
    """Intersection over union of two objects at full resolution; each is a list of polygons.

    Counts the pixels that :func:`rasterised` covers, without drawing: each row is divided where
    outlines cross it, and the pieces inside both objects, and inside any, are added up. 0 where
    neither covers the centre of any pixel.

    Raises:
        ValueError: outlines cross more than 100 million rows; a coordinate is not finite.
    """
    number_a, number = len(parts_a), len(parts_a) + len(parts_b)
    if not number_a or number_a == number:
        return 0.
    found = [_crossings(_points(part)) for part in (*parts_a, *parts_b)]
    row, column, _ = (np.concatenate(values) for values in zip(*found))
    part = np.repeat(np.arange(number), [len(rows) for rows, _, _ in found])
    order = np.lexsort((column, row))
    # at a row's end everything is outside again: each outline crosses it an even number of times
    inside = np.logical_xor.accumulate(part[order] == np.arange(number)[:, None], axis=1)
    in_a, in_b = inside[:number_a].any(0), inside[number_a:].any(0)
    pixels = np.diff(column[order], append=0)
    union = pixels[in_a | in_b].sum()
    return float(pixels[in_a & in_b].sum() / union) if union else 0.


def polygon_ious(pairs: Iterable[Tuple[Parts, Parts]]) -> np.ndarray:
    """:func:`polygon_iou` of many pairs, float64."""
    return np.array([polygon_iou(*pair) for pair in pairs])


def _points(polygon: np.ndarray) -> np.ndarray:
    """Float64 ``(n, 2)``, checked."""
    points = np.asarray(polygon, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f'a polygon is an array (n, 2) of x, y, but this one has the shape '
                         f'{points.shape}')
    if not np.isfinite(points).all():
        raise ValueError('a coordinate of the polygon is not a finite number')
    return points


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _box(points: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Lower corner and size."""
    low = points.min(0)
    return low, points.max(0) - low


def _is_needed(points: np.ndarray, index: int) -> bool:
    """Whether another vertex lies in or on the triangle of this one and its neighbours."""
    corners = [index - 1, index, (index + 1) % len(points)]
    triangle = points[corners]
    sides = _cross((triangle - triangle[[2, 0, 1]])[:, None], points - triangle[[2, 0, 1], None])
    within = (sides >= 0).all(0) | (sides <= 0).all(0)
    within[corners] = False
    return bool(within.any())


def _crossings(points: np.ndarray, lowest: float = -1e12,
               highest: float = 1e12) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the edges of a polygon cross the middle of rows of pixels, all found at once.

    Args:
        points: ``(n, 2)``.
        lowest, highest: rows from ``lowest`` to before ``highest`` alone.

    Returns:
        Row, first column whose centre is not left of the crossing, and direction of the edge (1
        down, -1 up), int64 ``(crossings,)`` each.
    """
    ends = np.roll(points, -1, axis=0)
    downward = points[:, 1] < ends[:, 1]
    top = np.where(downward[:, None], points, ends)
    bottom = np.where(downward[:, None], ends, points)
    first, last = (np.clip(np.ceil(y - 0.5), lowest, highest).astype(np.int64)
                   for y in (top[:, 1], bottom[:, 1]))
    counts = last - first
    if counts.sum() > MAX_PIXELS:
        raise ValueError(f'an outline crosses {counts.sum()} rows of pixels, more than '
                         f'{MAX_PIXELS}: are the coordinates in pixels?')
    edge = np.repeat(np.arange(len(points)), counts)
    row = np.arange(len(edge)) + np.repeat(first - counts.cumsum() + counts, counts)
    run, rise = (bottom - top)[edge].T
    x = top[edge, 0] + (row + 0.5 - top[edge, 1]) * run / rise
    column = np.clip(np.ceil(x - 0.5), -1e12, 1e12).astype(np.int64)
    return row, column, np.where(downward, 1, -1)[edge]


def _windings(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """How often a polygon winds around the centre of each pixel, int8 ``(height, width)``."""
    row, column, direction = _crossings(points, 0, height)
    changes = np.zeros((height, width + 1), np.int8)
    np.add.at(changes, (row, column.clip(0, width)), direction.astype(np.int8))
    return changes[:, :width].cumsum(1, dtype=np.int8)


def _hull(points: np.ndarray) -> Optional[np.ndarray]:
    """Corners of the convex hull, None where it has no area (less than a millionth of its box)."""
    if len(points) < 3:
        return None
    low, size = _box(points)
    if not size.all():
        return None
    unit = ((points - low) / size).astype(np.float32)
    corners = cv2.convexHull(unit, returnPoints=False)[:, 0]
    return points[corners] if abs(signed_area(unit[corners])) > 1e-6 else None


def _border(mask: np.ndarray) -> Optional[np.ndarray]:
    """Simple outer border of the largest 4-connected piece, in cells; None for an empty mask.

    What is thinner than 3 cells is left out first (opening), so that two lobes that meet in a
    crossing are two pieces; the border is shortened to one cell. Where that makes two sides touch,
    what is thinner than 5, 9 and 17 cells is left out; where nothing is so thick, nothing.
    """
    for width in (3, 5, 9, 17, 1):
        opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((width, width), np.uint8))
        _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
        if len(stats) < 2:
            continue
        piece = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
        # 2 x 2 for each cell: the border along a line of single cells does not come back on itself
        doubled = piece.repeat(2, axis=0).repeat(2, axis=1)
        borders, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        border = cv2.approxPolyDP(max(borders, key=len), 2, closed=True)[:, 0]
        if is_simple(border):
            return (border + 0.5) / 2
    return None
