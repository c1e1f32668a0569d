"""Decoding outlines: greedy or beam search, batched, with carried state.

The network sees each position once: its state goes along, so that a step costs the same however
long the outline is. Where an instance keeps several beams, their states are copied as they branch.
No outline crosses, touches or repeats itself: the next best vertex is taken then.
"""
from dataclasses import dataclass
from functools import partial
from typing import List, Optional, Protocol, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from ..layers import State, map_state
from .crossing import blocked
from .grid import VertexGrid
from .positions import NO_VERTEX

RIVALS = 8
"""Candidates looked at beyond the beam width before an outline is closed for want of a way on."""


@dataclass(frozen=True)
class Decoded:
    """An outline on the grid.

    Args:
        cells: of its vertices.
        score: geometric mean of the probabilities of its vertices and its end.
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
           given: Optional[Sequence[Sequence[int]]] = None) -> List[Decoded]:
    """Outlines of a batch of crops.

    Args:
        model: in evaluation mode.
        features: ``(N, C, h, w)``.
        beam_width: outlines kept for each instance; 1 is greedy search.
        max_vertices: at which an outline is closed.
        given: for each instance, its first vertices where they are known: cells, perhaps none.

    Returns:
        The best outline of each instance, by the mean log-probability of its tokens.
    """
    if len(features) == 0:
        return []
    beams = Beams(model.first_logits(features), model.grid, beam_width, max_vertices, given)
    state: Optional[State] = None
    while len(beams.active):
        seen = [torch.as_tensor(cells, device=features.device) for cells in beams.seen()]
        instances = torch.as_tensor(beams.active // beam_width, device=features.device)
        logits, state = model.step(features[instances], *seen, state)
        rows = torch.as_tensor(beams.advance(logits), device=features.device)
        state = map_state(partial(torch.index_select, dim=0, index=rows), state)
    return beams.best()


class Beams:
    """``N`` instances with ``B`` slots each: the outlines so far, and what becomes of them.

    Slots are numbered ``instance * B + beam``; those that still grow are :attr:`active`.

    Args:
        first_logits: ``(N, cells)``.
        grid, beam_width, max_vertices, given: see :func:`decode`.
    """

    def __init__(self, first_logits: Tensor, grid: VertexGrid, beam_width: int, max_vertices: int,
                 given: Optional[Sequence[Sequence[int]]] = None) -> None:
        self.grid, self.width, self.limit = grid, beam_width, max_vertices
        number = len(first_logits)
        self.given = [list(cells) for cells in given] if given is not None else [[]] * number
        self.paths = np.full((number * beam_width, max_vertices), NO_VERTEX, dtype=np.int64)
        self.counts = np.ones(number * beam_width, dtype=np.int64)
        self.log_prob = np.full(number * beam_width, -np.inf)
        self.done = np.zeros(number * beam_width, dtype=bool)
        self._start(first_logits.float().log_softmax(dim=1).cpu())

    def _start(self, log_prob: Tensor) -> None:
        """The first vertices: the given one, or the most probable ones."""
        values, cells = (part.numpy() for part in log_prob.topk(self.width, dim=1))
        self.paths[:, 0], self.log_prob[:] = cells.ravel(), values.ravel()
        for instance, known in enumerate(self.given):
            if known:
                slots = slice(instance * self.width, (instance + 1) * self.width)
                self.paths[slots, 0] = known[0]
                self.log_prob[slots] = -np.inf
                self.log_prob[instance * self.width] = float(log_prob[instance, known[0]])

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
        most = min(self.width + RIVALS, log_prob.shape[1])
        scores, tokens = (part.numpy() for part in log_prob.topk(most, dim=1))
        scores = np.where(blocked(self.paths[slots], self.counts[slots], tokens, self.grid.size,
                                  self.grid.end), -np.inf, scores)
        full = self.counts[slots] >= self.limit
        stuck = ~np.isfinite(scores).any(axis=1)
        for line, slot in enumerate(slots):
            known = self.given[slot // self.width]
            if self.counts[slot] < len(known):
                forced = known[self.counts[slot]]
            elif full[line] or stuck[line]:
                forced = self.grid.end
            else:
                continue
            scores[line], tokens[line, 0] = -np.inf, forced
            scores[line, 0] = float(log_prob[line, forced])
        return tokens, scores

    def best(self) -> List[Decoded]:
        """The best finished outline of each instance."""
        mean = (self.log_prob / (self.counts + 1)).reshape(-1, self.width)
        slots = mean.argmax(axis=1) + np.arange(len(mean)) * self.width
        return [Decoded(self.paths[slot, :self.counts[slot]].tolist(),
                        float(np.exp(mean.ravel()[slot]))) for slot in slots]
