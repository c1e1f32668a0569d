"""Human in the loop: vertices are corrected, and the rest of the outline is predicted again."""
from copy import copy
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor

from ...layers import State
from ..geometry.crop import Crop, to_unit
from ..geometry.grid import VertexGrid
from ..geometry.outline import polygon_iou
from ..network.decoding import Beams, grow
from ..network.model import PolygonRNN
from ..network.outlining import polygon_of_cells
from ..network.positions import NO_VERTEX

Place = Union[int, Sequence[float]]
"""A cell of the grid, or x and y in pixels of the image."""


class PolygonSession:
    """One object's outline: predicted at once, then corrected as often as wanted.

    A correction fixes vertices. What stands before the first of them is kept, and from there on the
    outline is predicted again, out of the state that was stored there: neither the trunk nor the
    vertices before it run again. Vertices that were fixed further on stay fixed, at their number in
    the outline. Decoding is greedy, whatever the model's ``beam_width``.

    One state is kept for each vertex: at 60 of them 11 MB for the configs' small model (0.19 MB
    each), and 280 MB for the published stack of 15 layers (4.7 MB each).

    Args:
        model: in evaluation mode.
        features: of the object's crop, ``(1, C, h, w)``, from ``model.extract_feat``.
        crop: in pixels of the image.
        max_vertices: at which an outline is closed. Default None: the model's.

    Raises:
        ValueError: the model is in training mode, or there are features of several objects.
    """

    def __init__(self, model: PolygonRNN, features: Tensor, crop: Crop,
                 max_vertices: Optional[int] = None) -> None:
        if model.training:
            raise ValueError('the model is in training mode, in which it draws at random: call '
                             'model.eval()')
        if len(features) != 1:
            raise ValueError(f'there are features of {len(features)} objects, but a session is of '
                             'one: pass features[i:i + 1]')
        self.model, self.features, self.crop = model, features, crop
        self.max_vertices = max_vertices or model.max_vertices
        self.cells: List[int] = []
        self.fixed: Dict[int, int] = {}
        self._states: List[Optional[State]] = []  # before each position is seen
        self._log_prob: List[float] = []  # of the vertices up to each
        with torch.no_grad():
            self._first_logits = model.first_logits(features)
        self._predict_from(0)

    @classmethod
    @torch.no_grad()
    def of_crop(cls, model: PolygonRNN, inputs: Tensor, crop: Crop,
                max_vertices: Optional[int] = None) -> 'PolygonSession':
        """A session on a normalised crop ``(1, 3, S, S)``."""
        return cls(model, model.extract_feat(inputs), crop, max_vertices)

    def copy(self) -> 'PolygonSession':
        """One that goes its own way from here, to come back to this one; it costs no memory."""
        twin = copy(self)
        twin.cells, twin.fixed = list(self.cells), dict(self.fixed)
        twin._states, twin._log_prob = list(self._states), list(self._log_prob)
        return twin

    @property
    def outline(self) -> np.ndarray:
        """The valid polygon, ``(m, 2)`` in pixels of the image; repaired where it was not valid."""
        return polygon_of_cells(self.cells, self.crop, self.model.grid)

    def correct(self, corrections: Mapping[int, Place]) -> np.ndarray:
        """Fix vertices and predict what follows the first of them again.

        Args:
            corrections: number of a vertex, counted from 0, and its true place. The number of
                vertices stands for one more at the end. A place outside the crop becomes the
                nearest cell.

        Returns:
            The new :attr:`outline`.

        Raises:
            ValueError: there are no corrections, no such vertex, or no such cell; or a coordinate
                is not finite. Nothing has changed then.
        """
        numbers = sorted(corrections)
        if not numbers:
            raise ValueError('there is nothing to correct: give at least one vertex')
        most = len(self.cells)
        for number in numbers:
            if not 0 <= number <= most or number >= self.max_vertices:
                raise ValueError(f'there is no vertex {number}: use 0 to '
                                 f'{min(most, self.max_vertices - 1)}')
            most = max(most, number + 1)
        self.fixed.update({number: self._cell(place) for number, place in corrections.items()})
        self._predict_from(numbers[0])
        return self.outline

    @torch.no_grad()
    def _predict_from(self, number: int) -> None:
        """All vertices behind ``number``, which is fixed; all there are, where there are none."""
        known = max(self.fixed, default=-1) + 1
        given = [self.fixed.get(place, NO_VERTEX) for place in range(known)]
        beams = Beams(self._first_logits, self.model.grid, 1, self.max_vertices, [given],
                      self.model.end_above)
        position = 0
        if number:
            path = self.cells[:number] + given[number:number + 1] * (number < len(self.cells))
            position = len(path) - 1
            beams.resume(path, self._log_prob[number - 1])
        state = self._states[position] if position else None
        del self._states[position:], self._log_prob[position:]

        def record(state: Optional[State]) -> None:
            self._states.append(state)
            self._log_prob.append(float(beams.log_prob[0]))

        grow(self.model, self.features, beams, state, record)
        self.cells = beams.best()[0].cells

    def _cell(self, place: Place) -> int:
        grid = self.model.grid
        if not isinstance(place, (int, np.integer)):
            point = np.asarray(place, np.float64)
            if point.shape != (2,) or not np.isfinite(point).all():
                raise ValueError(f'{place} is no place in the image: give x and y in pixels')
            return _cell_of(to_unit(point[None], self.crop)[0], grid)
        if not 0 <= place < grid.cells:
            raise ValueError(f'there is no cell {place}: use 0 to {grid.cells - 1}')
        return int(place)


class Clicks(NamedTuple):
    """What a simulated annotator came to.

    Args:
        clicks: corrections made.
        iou: of the outline after them.
        ious: of the outlines after 0, 1, 2 ... corrections.
    """
    clicks: int
    iou: float
    ious: List[float]


def simulate_clicks(session: PolygonSession, truth: np.ndarray, threshold: float = 1.,
                    target_iou: float = 0.8, max_clicks: Optional[int] = None) -> Clicks:
    """Correct an outline as an annotator would who knows the true one.

    In the manner of Castrejon et al., "Annotating object instances with a Polygon-RNN" (CVPR 2017),
    whose annotator moves a vertex that is off by more than 1 to 4 cells (T1 to T4). All distances
    are in cells of the grid, the larger one of the two axes; the true outline is the truth encoded
    on the grid. Before each click:

    1. If the outline's IoU with the truth, rasterised in pixels of the image, has reached
       ``target_iou``, the annotator is content.
    2. The first predicted vertex that is farther than ``threshold`` from the true outline is
       replaced by the nearest true vertex.
    3. If there is none, the outline may still leave out a true vertex that is farther than
       ``threshold`` from it. The edge that passes it by, the nearest one behind all clicks, goes to
       it instead: its end is replaced by the true vertex (an outline that was closed too early goes
       on). Of several, that of the first edge is taken, and of its true vertices the first.
    4. If there is none either, or all true vertices stand before the click already, the annotator
       stops, whatever the IoU.

    After it, what follows is predicted again. Each click is behind the one before, so it ends.

    Args:
        session: as it was predicted; it is corrected.
        truth: the true polygon ``(n, 2)`` in pixels of the image.
        threshold: in cells. Default 1, the strictest published one.
        target_iou: Default 0.8; above 1: only rules 2 to 4 end it.
        max_clicks: Default None: as many as there are vertices at most.

    Raises:
        ValueError: the true polygon is too thin for the grid.
    """
    grid = session.model.grid
    true = grid.encode(to_unit(truth, session.crop), session.max_vertices)
    ious = [polygon_iou([session.outline], [truth])]
    while ious[-1] < target_iou and (max_clicks is None or len(ious) <= max_clicks):
        click = next_click(session.cells, true, threshold, grid, max(session.fixed, default=0))
        if click is None or click[0] >= session.max_vertices:
            break
        session.correct(dict([click]))
        ious.append(polygon_iou([session.outline], [truth]))
    return Clicks(len(ious) - 1, ious[-1], ious)


def next_click(cells: Sequence[int], true_cells: np.ndarray, threshold: float, grid: VertexGrid,
               settled: int) -> Optional[Tuple[int, int]]:
    """Number of the vertex to click on and its true cell, by rules 2 to 4 of `simulate_clicks`.

    Args:
        settled: number of the last vertex that was clicked on.
    """
    predicted, true = _coordinates(cells, grid), _coordinates(true_cells, grid)
    threshold += 1e-9
    wrong = edge_distances(predicted, true).min(axis=1) > threshold
    if wrong.any():
        number = int(wrong.argmax())
        costs = np.abs(true - predicted[number]).max(axis=1).astype(float)
    else:
        from_edges = edge_distances(true, predicted)
        missed = np.flatnonzero(from_edges.min(axis=1) > threshold)
        if not len(missed):
            return None
        edges = settled + from_edges[missed, settled:].argmin(axis=1)
        number = int(edges.min()) + 1
        costs = np.where(np.arange(len(true)) == missed[edges.argmin()], 0., np.inf)
    costs[np.isin(true_cells, cells[:number])] = np.inf
    if not np.isfinite(costs).any():
        return None
    return number, int(true_cells[costs.argmin()])


def edge_distances(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Distance of each point ``(n, 2)`` from each edge of a closed outline ``(m, 2)``: ``(n, m)``.

    The larger one of the distances along the two axes (chessboard metric), exact: along an edge
    it is convex and piecewise linear, so it is least at a break or an end. Edge k starts at
    vertex k.
    """
    u = np.roll(outline, -1, axis=0) - outline
    d = points[:, None] - outline
    breaks = [(part[..., 0], part[..., 1], part[..., 0] - part[..., 1], part[..., 0] + part[..., 1])
              for part in (d, u)]
    least = np.full(d.shape[:2], np.inf)
    for numerator, denominator in zip(*breaks):
        t = np.clip(numerator / np.where(denominator == 0, 1, denominator), 0, 1)
        least = np.minimum(least, np.abs(d - t[..., None] * u).max(axis=-1))
    return least


def _cell_of(unit: np.ndarray, grid: VertexGrid) -> int:
    column, row = np.clip(np.floor(unit * grid.size), 0, grid.size - 1).astype(int)
    return int(row * grid.size + column)


def _coordinates(cells: Sequence[int], grid: VertexGrid) -> np.ndarray:
    """Columns and rows ``(n, 2)``."""
    row, column = np.divmod(np.asarray(cells), grid.size)
    return np.stack([column, row], axis=-1)
