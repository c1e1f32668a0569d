"""The grid of cells that vertices are predicted on."""
import numpy as np

from .outline import canonical, simplified, untangled


class VertexGrid:
    """``size`` x ``size`` cells over a crop, numbered row by row, and the end token after them.

    Args:
        size: cells along each axis. Default 28, as published: the size of the model's feature map.

    Raises:
        ValueError: ``size`` is below 2.
    """

    def __init__(self, size: int = 28) -> None:
        if size < 2:
            raise ValueError(f'a grid of size {size} has no room for a polygon: use 2 or more')
        self.size = size

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return self.size ** 2

    @property
    def end(self) -> int:
        """The token behind an outline's last vertex."""
        return self.cells

    @property
    def num_tokens(self) -> int:
        """Cells and the end token."""
        return self.cells + 1

    def encode(self, outline: np.ndarray, max_vertices: int = 60,
               tolerance: float = 0.) -> np.ndarray:
        """Cells of an outline: clockwise on the screen, from the topmost, then leftmost vertex on.

        Vertices go to their cells first; then neighbours in one cell become one, and vertices are
        left out by :func:`.outline.simplified`, least triangle first. Where two
        sides of something thin fall into the same cells, further vertices are left out until the
        outline no longer touches itself: decoding makes no other outlines.

        Args:
            outline: ``(n, 2)`` in unit coordinates; what lies outside goes to the nearest cell.
            max_vertices: at most so many cells. Default 60, as published.
            tolerance: vertices whose triangle is not larger are left out, in cells. Default 0:
                those on a line, which loses nothing.

        Returns:
            int64 ``(n,)``: a simple outline, so no cell comes twice.

        Raises:
            ValueError: fewer than 3 cells, or no area, are left: the outline is too thin.
        """
        points = np.clip(np.floor(canonical(outline) * self.size), 0, self.size - 1)
        points = canonical(untangled(simplified(points, max_vertices, tolerance)))
        if len(points) < 3:
            raise ValueError(f'the outline is too thin for a grid of {self.size} x {self.size} '
                             f'cells: it encloses no area there')
        column, row = points.astype(np.int64).T
        return row * self.size + column

    def decode(self, cells: np.ndarray) -> np.ndarray:
        """Centres of cells ``(n,)`` in unit coordinates, float32 ``(n, 2)``.

        Raises:
            ValueError: a token is not a cell.
        """
        cells = np.asarray(cells, dtype=np.int64)
        if ((cells < 0) | (cells >= self.cells)).any():
            raise ValueError(f'{cells.tolist()} are not all cells: these are 0..{self.cells - 1}')
        row, column = np.divmod(cells, self.size)
        return ((np.stack([column, row], axis=-1) + 0.5) / self.size).astype(np.float32)
