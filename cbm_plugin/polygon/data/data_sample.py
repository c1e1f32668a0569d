"""What is known of one object besides its pixels."""
from typing import Dict, List, Optional, Tuple

import numpy as np
from mmengine.structures import BaseDataElement
from torch import Tensor

from ...overlap import ClipPlan


class PolygonDataSample(BaseDataElement):
    """One object (or one part of it): its outline on the grid, where it is, what was predicted.

    Fields are set as ``sample.vertices = ...`` and asked for by ``'vertices' in sample`` or
    ``sample.get('vertices')``; there is no outline in testing.

    ============== =================================================================
    data field
    ============== =================================================================
    vertices       int64 ``(n,)`` cells of the grid, clockwise
    input_vertices int64 ``(n,)``, what the model is shown of them; only where jittered
    clip_plan      over the n positions; absent: the whole outline
    pred_polygon   float32 ``(m, 2)``, x and y in pixels of the image; set by the model
    pred_cells     its cells; set by the model
    pred_score     mean probability of its tokens; set by the model
    ============== =================================================================

    ============== =================================================================
    metainfo
    ============== =================================================================
    img_path       file of the image
    img_id         number or name of the image in its data set
    instance_id    number of the sample in its data set
    object_id      one for all parts of an object
    ori_shape      height and width of the image
    box            ``(x1, y1, x2, y2)`` in pixels of the image
    crop           likewise: what the model sees, stretched to a square
    flip           the crop was mirrored left to right (False where absent)
    category       class, counted from 0
    parts          annotated polygons, each ``(n, 2)`` in pixels of the image; none if unknown
    score          of the detector that gave the box (1 if it was annotated)
    faults         pairs of file and message of samples that this one stands for; absent if none
    ============== =================================================================
    """
    vertices: Tensor
    input_vertices: Tensor
    clip_plan: ClipPlan
    pred_polygon: np.ndarray
    pred_cells: List[int]
    pred_score: float

    img_path: str
    ori_shape: Tuple[int, int]
    box: Tuple[float, float, float, float]
    crop: Tuple[float, float, float, float]
    category: int
    parts: Optional[List[np.ndarray]]
    score: float


METAINFO: Dict[str, object] = dict(
    img_path=None, img_id=None, instance_id=None, object_id=None, ori_shape=None, box=None,
    crop=None, flip=False, category=None, parts=None, score=1.0)
"""What the pack hands on of a sample, and what stands for it where it is unknown."""
