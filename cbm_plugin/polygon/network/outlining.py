"""From decoded cells back to a polygon in the image."""
import numpy as np

from ..data.data_sample import PolygonDataSample
from ..geometry.crop import to_image
from ..geometry.grid import VertexGrid
from ..geometry.outline import repaired
from .decoding import Decoded


def polygon_of_cells(cells: list, crop: tuple, grid: VertexGrid) -> np.ndarray:
    """Cells -> ``(m, 2)`` float32 in pixels of the image: valid, repaired where it was not.

    An outline that encloses nothing (fewer than 3 cells, or all in a line) becomes the crop's
    middle cell's square: a prediction that is wrong, yet a polygon.
    """
    try:
        outline = repaired(grid.decode(np.asarray(cells)))
    except ValueError:
        low, high = 0.5 - 0.5 / grid.size, 0.5 + 0.5 / grid.size
        outline = np.array([[low, low], [high, low], [high, high], [low, high]])
    return to_image(outline, crop).astype(np.float32)


def set_prediction(sample: PolygonDataSample, decoded: Decoded, grid: VertexGrid) -> None:
    """Write a decoded outline into its sample."""
    sample.pred_polygon = polygon_of_cells(decoded.cells, sample.crop, grid)
    sample.pred_cells = decoded.cells
    sample.pred_score = decoded.score
