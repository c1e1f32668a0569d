"""Boundary F-measure: how near the edge of a predicted mask runs to the true one."""
import math
from typing import Tuple

import cv2
import numpy as np

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def boundary(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that have one of their four neighbours outside it.

    The edge of the array is no boundary (as in DAVIS): where the image cuts an object off, there
    is nothing to find.

    Args:
        mask: ``(H, W)`` uint8, 0 or 1.

    Returns:
        ``(H, W)`` bool.
    """
    # OpenCV's erosion takes what lies beyond the array for inside
    return (mask != 0) & (cv2.erode(mask, CROSS) == 0)


def pixel_tolerance(tolerance: float, height: int, width: int) -> float:
    """A tolerance in pixels: itself from 1 on; below 1 it is a share of the image's diagonal.

    Below 1 the product is rounded up to whole pixels, as in the code of DAVIS (Perazzi et al.,
    CVPR 2016), whose share is 0.008.
    """
    if tolerance >= 1:
        return float(tolerance)
    return float(math.ceil(tolerance * math.hypot(height, width)))


def boundary_scores(predicted: np.ndarray, truth: np.ndarray,
                    tolerance: float) -> Tuple[float, float, float]:
    """F, precision and recall of a predicted boundary.

    Precision is the share of predicted boundary pixels that lie within ``tolerance`` of a true
    one, recall the share of true ones that lie within it of a predicted one, F their harmonic mean.
    Where neither mask has a boundary all three are 1; where one has none, 0.

    Args:
        predicted: ``(H, W)`` uint8, 0 or 1.
        truth: likewise.
        tolerance: Euclidean distance between pixel centres, in pixels: see
            :func:`pixel_tolerance`.
    """
    edge, true_edge = boundary(predicted), boundary(truth)
    if not edge.any() or not true_edge.any():
        alike = float(edge.any() == true_edge.any())
        return alike, alike, alike
    precision, recall = _share_near(edge, true_edge, tolerance), \
        _share_near(true_edge, edge, tolerance)
    if precision + recall == 0:
        return 0., 0., 0.
    return 2 * precision * recall / (precision + recall), precision, recall


def _share_near(edge: np.ndarray, other: np.ndarray, tolerance: float) -> float:
    distances = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2,
                                      cv2.DIST_MASK_PRECISE)
    return float((distances[edge] <= tolerance + 1e-4).mean())  # float32 square roots
