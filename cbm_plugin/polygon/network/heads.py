"""From recurrent maps to the next vertex: logits over the grid's cells and the end token.

A head is recurrent or not, with the interface of the layers: ``forward`` over a sequence of
positions with a state in and out, ``step`` over one position. Maps may be coarser than the grid:
then ``cells_per_feature`` x ``cells_per_feature`` cells are read from the channels of each place.
"""
from typing import Optional, Tuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ...layers import LSTM, State
from ...layers.sequence import Lengths
from ...registry import MODELS


def vertex_maps(cells: Tensor, grid_size: int, cells_per_feature: int = 1) -> Tensor:
    """One-hot maps of vertices.

    Args:
        cells: ``(..., k)``, -1 where there is none (its map is zero).
        grid_size: cells along a side.
        cells_per_feature: of one place of the map, along a side.

    Returns:
        ``(..., k * cells_per_feature ** 2, h, w)`` float, h = w = grid_size / cells_per_feature.
    """
    fine = cells_per_feature
    size = grid_size // fine
    row, column = cells // grid_size, cells % grid_size
    channel = row % fine * fine + column % fine
    place = (channel * size + row // fine) * size + column // fine
    maps = torch.zeros(*cells.shape, fine * fine * size * size, device=cells.device)
    maps.scatter_(-1, place.clamp_min(0)[..., None], (cells >= 0).to(maps.dtype)[..., None])
    return maps.reshape(*cells.shape[:-1], cells.shape[-1] * fine * fine, size, size)


def cells_of_maps(maps: Tensor, cells_per_feature: int) -> Tensor:
    """``(M, cells_per_feature ** 2, h, w)`` -> ``(M, cells)``: what each cell was given."""
    return F.pixel_shuffle(maps, cells_per_feature).flatten(1)


@MODELS.register_module()
class LSTMVertexHead(BaseModule):
    """The published head: maps and the two vertices before, flattened; an LSTM; a classifier.

    Args:
        in_channels: of the maps. The paper's stacks end with 8.
        grid_size: cells along a side.
        cells_per_feature: of a place of the maps, along a side.
        hidden_channels: of the LSTM. Default None: two for each cell, the authors' 1568.
        spare_tokens: further outputs that mean nothing. Default 0; 2 for the authors' weights,
            whose start tokens they are.
    """

    def __init__(self, in_channels: int, grid_size: int, cells_per_feature: int = 1,
                 hidden_channels: Optional[int] = None, spare_tokens: int = 0) -> None:
        super().__init__()
        cells = grid_size ** 2
        self.tokens, self.all_tokens = cells + 1, cells + 1 + spare_tokens
        maps = in_channels * (grid_size // cells_per_feature) ** 2
        hidden_channels = hidden_channels or 2 * cells
        self.lstm = LSTM(maps + 2 * self.all_tokens, hidden_channels)
        self.classifier = nn.Linear(hidden_channels, self.all_tokens)

    def forward(self, maps: Tensor, before: Tensor, last: Tensor, state: Optional[State] = None,
                lengths: Lengths = None, state_at: Lengths = None) -> Tuple[Tensor, State]:
        """``maps (N, T, C, h, w)``, cells ``(N, T)`` -> logits ``(N, T, tokens)``, state."""
        hidden, state = self.lstm(self._joined(maps.flatten(2), before, last), state, lengths,
                                  state_at)
        return self.classifier(hidden)[..., :self.tokens], state

    def step(self, maps: Tensor, before: Tensor, last: Tensor,
             state: Optional[State] = None) -> Tuple[Tensor, State]:
        """One position: ``maps (N, C, h, w)``, cells ``(N,)``."""
        hidden, state = self.lstm.step(self._joined(maps.flatten(1), before, last), state)
        return self.classifier(hidden)[..., :self.tokens], state

    def _joined(self, maps: Tensor, before: Tensor, last: Tensor) -> Tensor:
        return torch.cat([maps, self._one_hot(before, maps), self._one_hot(last, maps)], dim=-1)

    def _one_hot(self, cells: Tensor, like: Tensor) -> Tensor:
        hot = like.new_zeros(*cells.shape, self.all_tokens)
        return hot.scatter_(-1, cells.clamp_min(0)[..., None],
                            (cells >= 0).to(hot.dtype)[..., None])


@MODELS.register_module()
class MapVertexHead(BaseModule):
    """A light head: a cell's logit is read at its own place, the end's from the pooled maps.

    It has no memory of its own: that is the recurrent stack's. It learns from few examples, since a
    1x1 convolution need not learn each place anew as a linear layer over flattened maps must.

    Args:
        in_channels: of the maps.
        grid_size: unused, for one interface.
        cells_per_feature: see the module.
    """

    def __init__(self, in_channels: int, grid_size: int, cells_per_feature: int = 1) -> None:
        super().__init__()
        self.cells_per_feature = cells_per_feature
        self.cells = nn.Conv2d(in_channels, cells_per_feature ** 2, 1)
        self.end = nn.Linear(2 * in_channels, 1)

    def forward(self, maps: Tensor, before: Tensor, last: Tensor, state: Optional[State] = None,
                lengths: Lengths = None, state_at: Lengths = None) -> Tuple[Tensor, State]:
        """``maps (N, T, C, h, w)`` -> logits ``(N, T, tokens)``, and the empty state."""
        return self._logits(maps.flatten(0, 1)).unflatten(0, maps.shape[:2]), ()

    def step(self, maps: Tensor, before: Tensor, last: Tensor,
             state: Optional[State] = None) -> Tuple[Tensor, State]:
        """One position: ``maps (N, C, h, w)`` -> ``(N, tokens)``."""
        return self._logits(maps), ()

    def _logits(self, maps: Tensor) -> Tensor:
        pooled = torch.cat([maps.mean(dim=(-2, -1)), maps.amax(dim=(-2, -1))], dim=1)
        cells = cells_of_maps(self.cells(maps), self.cells_per_feature)
        return torch.cat([cells, self.end(pooled)], dim=1)
