"""Decoding outlines: greedy or beam search, batched, with carried state.

The network sees each position once: its state goes along, so that a step costs the same however
long the outline is. Where an instance keeps several beams, their states are copied as they branch.
No outline crosses, touches or repeats itself: the next best vertex is taken then. Only where none
is left, or at the most vertices, is it closed come what may.
"""
from dataclasses import dataclass
from functools import partial
from typing import Callable, List, Optional, Protocol, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from ...layers import State, map_state
from ..geometry.crossing import blocked
from ..geometry.grid import VertexGrid
from .positions import NO_VERTEX

RIVALS = 8
"""Candidates looked at first, beyond the beam width; all are where too few of them may follow."""


@dataclass(frozen=True)
class Decoded:
    """An outline on the grid.

    Args:
        cells: of its vertices.
        score: geometric mean of the probabilities of its vertices (1 for those that were given)
            and its end.
    """
    cells: List[int]
    score: float


class VertexModel(Protocol):
    """What decoding asks of a model."""
    grid: VertexGrid

    def first_logits(self, features: Tensor) -> Tensor:
        """``(N, cells)``."""

    def step(self, features: Tensor, first: Tensor, before: Tensor, last: Tensor,
             state: Optional[State]) -> Tuple[Tensor, State]:
        """``(N, tokens)`` and the state."""


@torch.no_grad()
def decode(model: VertexModel, features: Tensor, beam_width: int = 1, max_vertices: int = 60,
           given: Optional[Sequence[Sequence[int]]] = None,
           end_above: float = 0.0) -> List[Decoded]:
    """Outlines of a batch of crops.

    Args:
        model: in evaluation mode.
        features: ``(N, C, h, w)``.
        beam_width: outlines kept for each instance; 1 is greedy search.
        max_vertices: at which an outline is closed.
        given: for each instance, its first vertices where they are known: cells, perhaps none; -1
            where one is open between known ones. They count as certain.
        end_above: an outline may end only where the end is at least as probable. Default 0: token
            by token. A vertex that is sure to come, but not to a cell, has its probability spread
            over several: one by one they lose to the end, and outlines are closed too early. At 0.5
            the end has to beat all cells together.

    Returns:
        The best outline of each instance, by the mean log-probability of its tokens.
    """
    if len(features) == 0:
        return []
    beams = Beams(model.first_logits(features), model.grid, beam_width, max_vertices, given,
                  end_above)
    grow(model, features, beams)
    return beams.best()


def grow(model: VertexModel, features: Tensor, beams: 'Beams', state: Optional[State] = None,
         record: Callable[[Optional[State]], None] = lambda state: None) -> None:
    """Take vertices until every outline is closed.

    Args:
        model, features: see :func:`decode`.
        beams: the outlines, at their start or further on.
        state: of their active slots. Default None: the zero state, at the start.
        record: is handed the state before each position is seen.
    """
    while len(beams.active):
        record(state)
        seen = [torch.as_tensor(cells, device=features.device) for cells in beams.seen()]
        instances = beams.active // beams.width
        here = features if _all(instances, features) else features[instances]
        logits, state = model.step(here, *seen, state)
        rows = beams.advance(logits)
        if not _all(rows, logits):
            index = torch.as_tensor(rows, device=features.device)
            state = map_state(partial(torch.index_select, dim=0, index=index), state)


def _all(rows: np.ndarray, tensor: Tensor) -> bool:
    """Whether these are all rows of a tensor, as they stand: then none need be copied."""
    return len(rows) == len(tensor) and bool((rows == np.arange(len(rows))).all())


class Beams:
    """``N`` instances with ``B`` slots each: the outlines so far, and what becomes of them.

    Slots are numbered ``instance * B + beam``; those that still grow are :attr:`active`.

    Args:
        first_logits: ``(N, cells)``.
        grid, beam_width, max_vertices, given, end_above: see :func:`decode`.

    Raises:
        ValueError: more vertices are given than ``max_vertices``.
    """

    def __init__(self, first_logits: Tensor, grid: VertexGrid, beam_width: int, max_vertices: int,
                 given: Optional[Sequence[Sequence[int]]] = None, end_above: float = 0.0) -> None:
        self.grid, self.width, self.limit = grid, beam_width, max_vertices
        self.end_above = end_above
        number = len(first_logits)
        self.given = np.full((number, max_vertices + 1), NO_VERTEX, dtype=np.int64)
        self.known = np.zeros(number, dtype=np.int64)  # vertices up to the last given one
        for row, cells in enumerate(given or ()):
            if len(cells) > max_vertices:
                raise ValueError(f'{len(cells)} vertices are given, but max_vertices is '
                                 f'{max_vertices}: raise it')
            self.given[row, :len(cells)], self.known[row] = cells, len(cells)
        self.paths = np.full((number * beam_width, max_vertices), NO_VERTEX, dtype=np.int64)
        self.counts = np.ones(number * beam_width, dtype=np.int64)
        self.log_prob = np.full(number * beam_width, -np.inf)
        self.done = np.zeros(number * beam_width, dtype=bool)
        self._start(first_logits.float().log_softmax(dim=1).cpu())

    def _start(self, log_prob: Tensor) -> None:
        """The first vertices: the given one, or the most probable ones."""
        most = min(self.width, log_prob.shape[1])
        values, cells = (part.numpy() for part in log_prob.topk(most, dim=1))
        first = self.given[:, :1]
        cells = np.where(first >= 0, first, cells)
        values = np.where(first >= 0, np.where(np.arange(most), -np.inf, 0.), values)
        slots = np.arange(len(self.paths)).reshape(-1, self.width)[:, :most]
        self.paths[slots, 0], self.log_prob[slots] = cells, values

    def resume(self, cells: Sequence[int], log_prob: float) -> None:
        """Go on from these first vertices: one instance, one beam."""
        self.paths[0, :len(cells)], self.counts[0], self.log_prob[0] = cells, len(cells), log_prob

    @property
    def active(self) -> np.ndarray:
        """Slots of outlines that still grow."""
        return np.flatnonzero(~self.done & np.isfinite(self.log_prob))

    def seen(self) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First vertex, the one before the last, and the last, of each active slot."""
        slots = self.active
        counts = self.counts[slots]
        before = np.where(counts > 1, self.paths[slots, np.maximum(counts - 2, 0)], NO_VERTEX)
        return self.paths[slots, 0], before, self.paths[slots, counts - 1]

    def advance(self, logits: Tensor) -> np.ndarray:
        """Take the next vertices; which row of the active ones each new active slot came from."""
        slots = self.active
        tokens, scores = self._candidates(slots, logits)
        number = len(self.given)
        pool = np.full((number * self.width, tokens.shape[1] + 1), -np.inf)
        pool[slots, :-1] = (self.log_prob[slots, None] + scores) / (self.counts[slots, None] + 1)
        finished = self.done & np.isfinite(self.log_prob)
        pool[finished, -1] = self.log_prob[finished] / (self.counts[finished] + 1)
        flat = pool.reshape(number, -1)
        chosen = np.argsort(-flat, axis=1, kind='stable')[:, :self.width]
        alive = np.isfinite(np.take_along_axis(flat, chosen, axis=1)).ravel()
        parents = (chosen // pool.shape[1]
                   + np.arange(number)[:, None] * self.width).ravel()
        choice = (chosen % pool.shape[1]).ravel()
        row = np.zeros(number * self.width, dtype=np.int64)
        row[slots] = np.arange(len(slots))
        self._branch(parents, choice, alive, row, tokens, scores)
        return row[parents[self.active]]

    def _branch(self, parents: np.ndarray, choice: np.ndarray, alive: np.ndarray, row: np.ndarray,
                tokens: np.ndarray, scores: np.ndarray) -> None:
        """Copy each chosen parent into its new slot, with the token that was chosen for it."""
        kept = self.done[parents] & alive
        grown = ~self.done[parents] & alive
        choice = np.where(grown, choice, 0)
        token, score = tokens[row[parents], choice], scores[row[parents], choice]
        self.paths = self.paths[parents]
        self.counts = self.counts[parents]
        self.log_prob = np.where(alive, self.log_prob[parents] + np.where(grown, score, 0), -np.inf)
        ends = token == self.grid.end
        self.done = kept | grown & ends
        longer = np.flatnonzero(grown & ~ends)
        self.paths[longer, self.counts[longer]] = token[longer]
        self.counts[longer] += 1

    def _candidates(self, slots: np.ndarray, logits: Tensor) -> Tuple[np.ndarray, np.ndarray]:
        """Next tokens of each active slot and their log-probabilities, -inf where not allowed."""
        log_prob = logits.float().log_softmax(dim=1).cpu()
        tokens, scores = self._allowed(slots, log_prob)
        counts = self.counts[slots]
        given = self.given[slots // self.width, counts]
        waits = counts < self.known[slots // self.width]
        for line in np.flatnonzero((given >= 0) | (counts >= self.limit)
                                   | ~np.isfinite(scores).any(axis=1)):
            if given[line] >= 0:
                token, score = given[line], 0.
            else:  # full, or no way on: closed, unless a given vertex is still to come
                token = log_prob[line, :-1].argmax() if waits[line] else self.grid.end
                score = log_prob[line, token]
            scores[line] = -np.inf
            tokens[line, 0], scores[line, 0] = int(token), float(score)
        return tokens, scores

    def _allowed(self, slots: np.ndarray, log_prob: Tensor) -> Tuple[np.ndarray, np.ndarray]:
        """The best tokens of each active slot; of all of them where the first are blocked."""
        most = min(self.width + RIVALS, log_prob.shape[1])
        scores, tokens = (part.numpy() for part in log_prob.topk(most, dim=1))
        early = (log_prob[:, self.grid.end].exp() < self.end_above).numpy()
        scores[self._refused(slots, tokens, early)] = -np.inf
        few = np.flatnonzero(np.isfinite(scores).sum(axis=1) < min(self.width, most))
        if len(few):
            every = np.tile(np.arange(log_prob.shape[1]), (len(few), 1))
            allowed = np.where(self._refused(slots[few], every, early[few]), -np.inf,
                               log_prob.numpy()[few])
            tokens[few] = np.argsort(-allowed, axis=1, kind='stable')[:, :most]
            scores[few] = np.take_along_axis(allowed, tokens[few], axis=1)
        return tokens, scores

    def _refused(self, slots: np.ndarray, tokens: np.ndarray, early: np.ndarray) -> np.ndarray:
        """Which tokens make no outline, end it too early, or stand in a later given one's way."""
        counts = self.counts[slots]
        refused = blocked(self.paths[slots], counts, tokens, self.grid.size, self.grid.end)
        refused |= (tokens == self.grid.end) & early[:, None]
        waits = np.flatnonzero(counts < self.known[slots // self.width])
        if len(waits):
            given = self.given[slots[waits] // self.width]
            refused[waits] |= tokens[waits] == self.grid.end
            refused[waits] |= (tokens[waits, :, None] == given[:, None]).any(axis=2)
        return refused

    def best(self) -> List[Decoded]:
        """The best finished outline of each instance."""
        mean = (self.log_prob / (self.counts + 1)).reshape(-1, self.width)
        slots = mean.argmax(axis=1) + np.arange(len(mean)) * self.width
        return [Decoded(self.paths[slot, :self.counts[slot]].tolist(),
                        float(np.exp(mean.ravel()[slot]))) for slot in slots]
