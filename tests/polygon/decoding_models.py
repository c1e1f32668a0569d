"""Tiny polygon models, and naive twins of decoding: no carried state, no batches, pure Python."""
import itertools
import math
from typing import List, Optional, Sequence, Tuple

import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from cbm_plugin.polygon import PolygonRNN, VertexGrid
from cbm_plugin.polygon.network.positions import Positions

Point = Tuple[int, int]


def tiny_model(seed: int = 0, grid_size: int = 6, head: str = 'MapVertexHead',
               sharpness: float = 4.) -> PolygonRNN:
    """Two CBM layers of random weights, whose logits differ enough to have no ties."""
    init_default_scope('mmaction')
    torch.manual_seed(seed)
    model = PolygonRNN(
        dict(type='SmallTrunk', channels=(4, 4, 6, 6)),
        dict(hidden_channels=[5, 4], layer=dict(type='CBM', activation='tanh', norm=None)),
        head=dict(type=head), feature_channels=6, grid_size=grid_size, cells_per_feature=2).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(std=sharpness / parameter[0].numel() ** 0.5)
    return model


@torch.no_grad()
def tiny_features(model: PolygonRNN, number: int, seed: int = 0) -> Tensor:
    crops = torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    features = model.extract_feat(crops)
    return features / features.std()


@torch.no_grad()
def prefix_log_prob(model: PolygonRNN, features: Tensor, path: Sequence[int]) -> Tensor:
    """Of each token after a path, by running the whole path again."""
    positions = Positions.of([torch.tensor(path)], model.grid.end)
    return model.sequence_logits(features, positions)[0][0, -1].log_softmax(dim=0)


@torch.no_grad()
def greedy_twin(model: PolygonRNN, features: Tensor, max_vertices: int,
                given: Sequence[int] = ()) -> List[int]:
    """The best token that may follow, one by one, of one instance."""
    path = [given[0] if given else int(model.first_logits(features)[0].argmax())]
    while len(path) < max_vertices:
        if len(path) < len(given):
            path.append(given[len(path)])
            continue
        log_prob = prefix_log_prob(model, features, path)
        for token in log_prob.argsort(descending=True).tolist():
            if may_follow(path, token, model.grid):
                break
        else:
            break
        if token == model.grid.end:
            break
        path.append(token)
    return path


@torch.no_grad()
def exhaustive_twin(model: PolygonRNN, features: Tensor, max_vertices: int
                    ) -> Tuple[List[int], float]:
    """The best of all outlines there are, by mean log-probability, and that; of one instance."""
    first = model.first_logits(features)[0].log_softmax(dim=0)
    best: Tuple[float, Optional[List[int]]] = (-math.inf, None)
    open_paths = [([cell], float(first[cell])) for cell in range(model.grid.cells)]
    while open_paths:
        path, value = open_paths.pop()
        log_prob = prefix_log_prob(model, features, path)
        tokens = [model.grid.end]
        if len(path) < max_vertices:
            tokens = [t for t in range(model.grid.num_tokens) if may_follow(path, t, model.grid)]
            tokens = tokens or [model.grid.end]
        for token in tokens:
            total = value + float(log_prob[token])
            if token != model.grid.end:
                open_paths.append((path + [token], total))
            elif total / (len(path) + 1) > best[0]:
                best = total / (len(path) + 1), path
    return best[1] or [], math.exp(best[0])


def may_follow(path: Sequence[int], token: int, grid: VertexGrid) -> bool:
    """Whether the outline with this token neither crosses, touches nor repeats itself so far."""
    closed = token == grid.end
    if closed and len(path) < 3 or token in path:
        return False
    points = [point_of(cell, grid) for cell in (path if closed else [*path, token])]
    edges = list(zip(points, points[1:])) + [(points[-1], points[0])] * closed
    new = len(edges) - 1
    return not any(meet_wrongly(edges[k], edges[new]) for k in range(new))


def point_of(cell: int, grid: VertexGrid) -> Point:
    return cell % grid.size, cell // grid.size


def meet_wrongly(e: Tuple[Point, Point], f: Tuple[Point, Point]) -> bool:
    """Whether two segments share more than one end: solved as linear equations, in integers."""
    shared = set(e) & set(f)
    (a, b), (c, d) = e, f
    u, v, w = sub(b, a), sub(d, c), sub(c, a)
    det = u[0] * v[1] - u[1] * v[0]
    if det:  # one common point of the lines: a + s u = c + t v
        s, t = w[0] * v[1] - w[1] * v[0], w[0] * u[1] - w[1] * u[0]
        if det < 0:
            det, s, t = -det, -s, -t
        return 0 <= s <= det and 0 <= t <= det and not shared
    if u[0] * w[1] - u[1] * w[0]:
        return False  # parallel
    along = [[u[0] * (p[0] - a[0]) + u[1] * (p[1] - a[1]) for p in ends] for ends in (e, f)]
    low, high = max(map(min, along)), min(map(max, along))
    return low < high or low == high and not shared


def sub(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1]


def crossings(cells: Sequence[int], grid: VertexGrid) -> int:
    """Pairs of edges of a closed outline that meet elsewhere than in the vertex they share."""
    points = [point_of(cell, grid) for cell in cells]
    edges = list(zip(points, points[1:] + points[:1]))
    return sum(meet_wrongly(e, f) for e, f in itertools.combinations(edges, 2))
