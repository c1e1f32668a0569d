"""From an annotated object to what is trained or tested; what is wrong with an annotation."""
from dataclasses import dataclass, field
from typing import Any, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..geometry.outline import is_simple, repaired, signed_area, without_repeats

Box = Tuple[float, float, float, float]
Named = List[Tuple[str, str]]
"""Pairs of a name (``'a.jpg, object 7'``) and what is wrong with it."""

BOXES_FROM = ('parts', 'annotation')
TOO_FEW = 'fewer than 3 different vertices'


@dataclass
class AnnotatedObject:
    """One object as a file describes it, unchecked.

    Args:
        img_path: file of its image.
        img_id: of its image in the data set.
        object_id: unique in the data set.
        category: class, from 0.
        polygons: its parts, each ``(n, 2)`` or flat ``x y x y ...``, in pixels of the image.
        ori_shape: height and width of the image, where the file says.
        box: ``(x1, y1, x2, y2)``. Default None: around all parts.
    """
    img_path: str
    img_id: Any
    object_id: Any
    category: int
    polygons: Sequence[Any]
    ori_shape: Optional[Tuple[int, int]] = None
    box: Optional[Sequence[float]] = None

    @property
    def name(self) -> str:
        """For messages."""
        return f'{self.img_path}, object {self.object_id}'


@dataclass
class Checked:
    """Annotated objects, checked and made instances.

    Args:
        boxes_from: ``'parts'``: every part is an instance, in the box around it; ``'annotation'``:
            an object is one instance, in its annotated box.
        min_area: smaller parts are left out; in square pixels.
        instances: dicts for the pipeline: ``img_path``, ``img_id``, ``object_id``, ``category``,
            ``ori_shape`` (or None), ``box`` and ``parts`` (a list of float32 ``(n, 2)``).
        skipped: what was left out, and why.
        repaired: outlines that crossed themselves.
    """
    boxes_from: str = 'parts'
    min_area: float = 0.0
    instances: List[dict] = field(default_factory=list)
    skipped: Named = field(default_factory=list)
    repaired: Named = field(default_factory=list)

    def add(self, annotated: AnnotatedObject) -> None:
        """Check an object, and make instances of its valid parts."""
        parts = self._valid_parts(annotated)
        if not parts:
            return
        if self.boxes_from == 'parts':
            for part in parts:
                self._append(annotated, bounds([part]), [part])
            return
        box = bounds(parts) if annotated.box is None else annotated.box
        fault = box_fault(box, annotated.ori_shape)
        if fault:
            self.skipped.append((annotated.name, fault))
        else:
            self._append(annotated, tuple(float(value) for value in box), parts)

    def _valid_parts(self, annotated: AnnotatedObject) -> List[np.ndarray]:
        parts = []
        number = len(annotated.polygons)
        if not number:
            self.skipped.append((annotated.name, 'no polygon'))
        for index, coordinates in enumerate(annotated.polygons):
            name = annotated.name + (f', part {index + 1} of {number}' if number > 1 else '')
            try:
                part, crossed = valid_polygon(coordinates, annotated.ori_shape,
                                              self.min_area)
            except ValueError as error:
                self.skipped.append((name, str(error)))
                continue
            parts.append(part)
            if crossed:
                self.repaired.append((name, 'crossed itself'))
        return parts

    def _append(self, annotated: AnnotatedObject, box: Box, parts: List[np.ndarray]) -> None:
        self.instances.append(dict(
            img_path=annotated.img_path, img_id=annotated.img_id, object_id=annotated.object_id,
            category=annotated.category, ori_shape=annotated.ori_shape, box=box, parts=parts))


def valid_polygon(coordinates: Any, ori_shape: Optional[Tuple[int, int]] = None,
                  min_area: float = 0.0) -> Tuple[np.ndarray, bool]:
    """One part, checked and, where it crosses itself, repaired.

    Args:
        coordinates: ``(n, 2)``, or flat ``x y x y ...``.
        ori_shape: height and width of the image.
        min_area: in square pixels.

    Returns:
        float32 ``(n, 2)``, and whether it was repaired.

    Raises:
        ValueError: what is wrong with it.
    """
    polygon = _as_polygon(coordinates)
    if len(np.unique(polygon, axis=0)) < 3:
        raise ValueError(TOO_FEW)
    if _collinear(polygon):
        raise ValueError('all vertices on one line')
    fault = box_fault(bounds([polygon]), ori_shape)
    if fault:
        raise ValueError(fault)
    crossed = not is_simple(polygon)
    if crossed:
        polygon = np.asarray(repaired(polygon), np.float32)
    area = abs(signed_area(polygon))
    if area <= 0 or area < min_area:
        raise ValueError(f'area below {min_area:g} square pixels' if area > 0 else 'no area')
    return polygon, crossed


def box_fault(box: Sequence[float], ori_shape: Optional[Tuple[int, int]] = None) -> str:
    """What is wrong with a box ``(x1, y1, x2, y2)``; '' if nothing."""
    try:
        x1, y1, x2, y2 = (float(value) for value in box)
    except (TypeError, ValueError):
        return 'box is not four numbers'
    if not np.isfinite([x1, y1, x2, y2]).all():
        return 'box is not finite'
    if x2 <= x1 or y2 <= y1:
        return 'box of no area'
    if x2 <= 0 or y2 <= 0 or (ori_shape and (x1 >= ori_shape[1] or y1 >= ori_shape[0])):
        return 'outside the image'
    return ''


def bounds(parts: Sequence[np.ndarray]) -> Box:
    """The box ``(x1, y1, x2, y2)`` around all parts."""
    points = np.concatenate(parts)
    x1, y1, x2, y2 = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    return x1, y1, x2, y2


def parts_of_mask(mask: np.ndarray, corner: Tuple[int, int] = (0, 0)) -> List[np.ndarray]:
    """Outer outlines of a mask along the edges of its pixels: rasterised, they are the mask again.

    Holes are filled. Pixels that only touch at a corner belong to different parts.

    Args:
        mask: ``(H, W)``, not 0 inside.
        corner: x and y of its first pixel in the image.

    Returns:
        float32 ``(n, 2)`` for each connected region, from the top down.
    """
    number, labels, stats, _ = cv2.connectedComponentsWithStats((mask != 0).astype(np.uint8),
                                                                connectivity=4)
    parts = []
    for label in range(1, number):
        x, y, width, height = (int(value) for value in stats[label, :4])
        region = (labels[y:y + height, x:x + width] == label).astype(np.uint8)
        doubled = region.repeat(2, axis=0).repeat(2, axis=1)
        contours, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        # pixel i is 2i and 2i + 1 here; its edges are i and i + 1
        edges = (contours[0][:, 0] + 1) // 2 + np.add(corner, (x, y))
        parts.append(without_repeats(edges).astype(np.float32))
    return parts


def _as_polygon(coordinates: Any) -> np.ndarray:
    try:
        values = np.asarray(coordinates, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError('coordinates are not numbers') from None
    if values.ndim > 2 or (values.ndim == 2 and values.shape[1] != 2) or values.size % 2:
        raise ValueError('coordinates are not pairs of x and y')
    if values.size < 6:
        raise ValueError(TOO_FEW)
    if not np.isfinite(values).all():
        raise ValueError('coordinates are not finite')
    return values.reshape(-1, 2)


def _collinear(polygon: np.ndarray) -> bool:
    """Whether all lie on one line, but for a millionth of their extent."""
    spread = np.linalg.svd(polygon.astype(np.float64) - polygon.mean(axis=0), compute_uv=False)
    return bool(spread[1] <= 1e-6 * spread[0])
