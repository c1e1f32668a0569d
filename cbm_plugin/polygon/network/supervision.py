"""What helps a polygon model to learn from few examples: neighbouring cells, and dense targets.

Both are of Castrejon et al., Annotating Object Instances with a Polygon-RNN (CVPR 2017): the target
of a vertex is spread over the cells around it, and the features are asked for all boundary and
vertex cells at once, beside the sequence.
"""
from typing import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

POSITIVE_WEIGHTS = (3.0, 10.0)
"""Of boundary and vertex cells, which are some tenth and hundredth of all."""


def spread_cross_entropy(logits: Tensor, target: Tensor, grid_size: int, spread: float,
                         ignore_index: int = -100) -> Tensor:
    """Cross-entropy to a target that leaves a share of itself to the cells around.

    Args:
        logits: ``(M, tokens)``; the first ``grid_size ** 2`` are the cells.
        target: ``(M,)`` cell or other token (which is not spread), or ``ignore_index``.
        grid_size: cells along a side.
        spread: share of the up to 8 neighbours inside the grid together; 0 is plain cross-entropy.
        ignore_index: of rows that do not count.

    Returns:
        The mean over the rows that count; 0 if none does.
    """
    known = target != ignore_index
    logits, target = logits[known], target[known]
    if len(target) == 0:
        return logits.sum()
    log_prob = logits.log_softmax(dim=1)
    own = log_prob.gather(1, target[:, None])[:, 0]
    if spread == 0:
        return -own.mean()
    around = _mean_around(log_prob[:, :grid_size ** 2], target, grid_size)
    share = spread * (target < grid_size ** 2).to(own.dtype)
    return -((1 - share) * own + share * around).mean()


def _mean_around(log_prob: Tensor, target: Tensor, grid_size: int) -> Tensor:
    """Mean of each row over the neighbours of its target cell: ``(M, cells)`` -> ``(M,)``."""
    cell = target.clamp_max(grid_size ** 2 - 1)
    row, column = cell // grid_size, cell % grid_size
    steps = torch.tensor([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x],
                         device=target.device)
    rows, columns = row[:, None] + steps[:, 0], column[:, None] + steps[:, 1]
    inside = ((rows >= 0) & (rows < grid_size) & (columns >= 0) & (columns < grid_size))
    places = (rows * grid_size + columns).clamp(0, grid_size ** 2 - 1)
    values = log_prob.gather(1, places)
    return (values * inside).sum(dim=1) / inside.sum(dim=1)


def dense_targets(outlines: Sequence[Tensor], grid_size: int) -> Tensor:
    """Boundary and vertex cells of outlines: ``(N, 2, cells)`` float, 0 or 1."""
    maps = np.zeros((len(outlines), 2, grid_size, grid_size), np.uint8)
    for number, outline in enumerate(outlines):
        row, column = np.divmod(outline.cpu().numpy(), grid_size)
        points = np.stack([column, row], axis=1).astype(np.int32)
        cv2.polylines(maps[number, 0], [points], isClosed=True, color=1)
        maps[number, 1][row, column] = 1
    return torch.from_numpy(maps).flatten(2).to(outlines[0].device, torch.float32)


def dense_loss(logits: Tensor, outlines: Sequence[Tensor], grid_size: int) -> Tensor:
    """Binary cross-entropy of boundary and vertex cells, ``logits (N, 2, cells)``."""
    weight = torch.tensor(POSITIVE_WEIGHTS, device=logits.device)[:, None]
    return F.binary_cross_entropy_with_logits(logits, dense_targets(outlines, grid_size),
                                              pos_weight=weight)
