"""From an annotated object to what the model is fed: the crop, its outline on the grid, clips.

In this order, of which testing needs the first, second and last::

    LoadObjectImage  CropObject  FlipObject  JitterColour  EncodeOutline  JitterVertices
    SampleVertexClips  PackPolygonInputs

All randomness comes from NumPy's global state, which the data set seeds for each sample.
"""
import numpy as np
import torch
from mmcv.transforms import BaseTransform

from ...overlap.transforms import SamplePlan, generator_of
from ...registry import TRANSFORMS
from ..geometry.authors_encoding import MAX_CELLS, authors_cells
from ..geometry.crop import cut, grown_box, to_unit
from ..geometry.grid import VertexGrid
from ..geometry.outline import signed_area
from .data_sample import METAINFO, PolygonDataSample
from .images import read_image


@TRANSFORMS.register_module()
class LoadObjectImage(BaseTransform):
    """Reads the image, unless it is there.

    Required keys: ``img_path``, or ``img`` (BGR, uint8 ``(H, W, 3)``). Added: ``img``,
    ``ori_shape``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read (see :func:`.images.read_image`), or has
            another size than the annotated ``ori_shape``.
    """

    def transform(self, results: dict) -> dict:
        """Add ``img``, checked against the annotated size."""
        if results.get('img') is None:
            results['img'] = read_image(results['img_path'])
        shape = results['img'].shape[:2]
        annotated = results.get('ori_shape')
        if annotated is not None and tuple(annotated) != shape:
            raise ValueError(f'the image has {shape[1]} x {shape[0]} pixels, but was annotated as '
                             f'{annotated[1]} x {annotated[0]}: was it scaled, or turned by its '
                             'EXIF entry?')
        results['ori_shape'] = shape
        return results


@TRANSFORMS.register_module()
class CropObject(BaseTransform):
    """Cuts out the box, grown, and stretches it to a square; black outside the image.

    Required keys: ``img``, ``box``; ``parts`` where there is an outline. Added: ``img``
    ``(size, size, 3)``, ``crop``, and ``outline``: the largest part in unit coordinates.

    Args:
        size: of the square in pixels.
        grow: share of its width and height that the box is grown by. Default 0.1, published.
        shift: the box is moved by up to this share of its width and height, either way. Default 0.
        scale: its width and height are changed by up to this share, either way. Default 0.

    Raises:
        ValueError: a share is out of range, or the box has no area.
    """

    def __init__(self, size: int, grow: float = 0.1, shift: float = 0.0,
                 scale: float = 0.0) -> None:
        if size < 1 or grow < 0 or not 0 <= shift < 1 or not 0 <= scale < 1:
            raise ValueError(f'size={size} must be at least 1, grow={grow} not negative, shift='
                             f'{shift} and scale={scale} in [0, 1)')
        self.size, self.grow, self.shift, self.scale = size, grow, shift, scale

    def transform(self, results: dict) -> dict:
        """Put the crop in place of the image, and the outline into it."""
        box = results['box']
        if self.shift or self.scale:
            box = self._moved(np.asarray(box, np.float64), generator_of(results))
        crop = grown_box(box, self.grow)
        results['img'], results['crop'] = cut(results['img'], crop, self.size), crop
        if results.get('parts'):
            largest = max(results['parts'], key=lambda part: abs(signed_area(part)))
            results['outline'] = to_unit(largest, crop)
        return results

    def _moved(self, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        size = box[2:] - box[:2]
        centre = (box[:2] + box[2:]) / 2 + rng.uniform(-self.shift, self.shift, 2) * size
        half = size * (1 + rng.uniform(-self.scale, self.scale, 2)) / 2
        return np.concatenate([centre - half, centre + half])


@TRANSFORMS.register_module()
class FlipObject(BaseTransform):
    """Mirrors the crop and its outline left to right.

    Required keys: ``img``, ``outline``. Added: ``flip``.

    Args:
        prob: Default 0.5.

    Raises:
        ValueError: it stands behind ``EncodeOutline``, or ``prob`` is out of range.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = _probability(prob)

    def transform(self, results: dict) -> dict:
        """Add ``flip``, and do it where it was drawn."""
        if 'vertices' in results:
            raise ValueError('FlipObject stands behind EncodeOutline: put it before it')
        results['flip'] = bool(generator_of(results).random() < self.prob)
        if results['flip']:
            results['img'] = np.ascontiguousarray(results['img'][:, ::-1])
            results['outline'] = results['outline'] * [-1, 1] + [1, 0]
        return results


@TRANSFORMS.register_module()
class JitterColour(BaseTransform):
    """Changes brightness, contrast and saturation of the crop by random factors.

    Required key: ``img``.

    Args:
        brightness, contrast, saturation: the factor is uniform in 1 -/+ this. Default 0.2 each.

    Raises:
        ValueError: one is out of range.
    """

    def __init__(self, brightness: float = 0.2, contrast: float = 0.2,
                 saturation: float = 0.2) -> None:
        self.ranges = np.array([brightness, contrast, saturation])
        if ((self.ranges < 0) | (self.ranges > 1)).any():
            raise ValueError(f'brightness={brightness}, contrast={contrast} and saturation='
                             f'{saturation} must lie in 0..1')

    def transform(self, results: dict) -> dict:
        """Change ``img``."""
        brightness, contrast, saturation = 1 + self.ranges * generator_of(results).uniform(-1, 1, 3)
        img = results['img'].astype(np.float32) * brightness
        img = (img - img.mean()) * contrast + img.mean()
        grey = img @ np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green, red
        img = (img - grey[..., None]) * saturation + grey[..., None]
        results['img'] = img.clip(0, 255).round().astype(np.uint8)
        return results


@TRANSFORMS.register_module()
class EncodeOutline(BaseTransform):
    """Puts the outline on the grid.

    Required key: ``outline``. Added: ``vertices`` (int64 ``(n,)`` cells), ``grid_size``.

    Args:
        grid_size: cells along a side. Default 28, as published, and as the model's.
        max_vertices: outlines with more are simplified. Default 60, as published.
        tolerance: vertices whose triangle is not larger are left out, in cells. Default 0.
        encoding: ``'cells'`` (default): see :meth:`~cbm_plugin.polygon.VertexGrid.encode`;
            ``'authors'``: :func:`.authors_encoding.authors_cells`, of at most
            57 cells and without ``tolerance``, for comparison.

    Raises:
        ValueError: ``encoding`` is unknown, or the outline is too thin for the grid.
    """

    def __init__(self, grid_size: int = 28, max_vertices: int = 60, tolerance: float = 0.0,
                 encoding: str = 'cells') -> None:
        if encoding not in ('cells', 'authors'):
            raise ValueError(f"encoding is '{encoding}': use 'cells' or 'authors'")
        if max_vertices < 3:
            raise ValueError(f'max_vertices is {max_vertices}, but a polygon has at least 3')
        self.grid = VertexGrid(grid_size)
        self.max_vertices, self.tolerance, self.encoding = max_vertices, tolerance, encoding

    def transform(self, results: dict) -> dict:
        """Add ``vertices`` and ``grid_size``."""
        outline = results['outline']
        if self.encoding == 'authors':
            results['vertices'] = authors_cells(outline, grid_size=self.grid.size,
                                                max_cells=min(self.max_vertices, MAX_CELLS))
        else:
            results['vertices'] = self.grid.encode(outline, self.max_vertices, self.tolerance)
        results['grid_size'] = self.grid.size
        return results


@TRANSFORMS.register_module()
class JitterVertices(BaseTransform):
    """Shows the model vertices that are slightly wrong, as its own will be; targets stay exact.

    Required keys: ``vertices``, ``grid_size``. Added: ``input_vertices``.

    Args:
        prob: with which a vertex is moved to one of the 8 cells around it, inside the grid.

    Raises:
        ValueError: ``prob`` is out of range.
    """

    def __init__(self, prob: float) -> None:
        self.prob = _probability(prob)

    def transform(self, results: dict) -> dict:
        """Add ``input_vertices``."""
        rng, size = generator_of(results), results['grid_size']
        places = np.stack(np.divmod(results['vertices'], size))  # rows and columns
        number = rng.integers(0, 8, places.shape[1])
        steps = np.stack(np.divmod(number + (number > 3), 3)) - 1  # the middle one is left out
        steps = np.where((places + steps < 0) | (places + steps >= size), -steps, steps)
        row, column = places + steps * (rng.random(places.shape[1]) < self.prob)
        results['input_vertices'] = row * size + column
        return results


@TRANSFORMS.register_module()
class SampleVertexClips(SamplePlan):
    """:class:`~cbm_plugin.overlap.transforms.SamplePlan` over vertices, as the overlap scheme asks.

    Position p sees the vertices up to p and predicts the next one, the last position the end: an
    outline has as many as vertices.

    Required key: ``vertices``. Added: ``clip_plan``.
    """

    def positions(self, results: dict) -> int:
        """One for each vertex."""
        return len(results['vertices'])


@TRANSFORMS.register_module()
class PackPolygonInputs(BaseTransform):
    """The crop as ``inputs`` (uint8 ``(3, S, S)``, BGR), the rest as a ``PolygonDataSample``.

    Required keys: ``img``, ``crop``. Where present: ``vertices``, ``input_vertices``, ``clip_plan``
    and the metainfo of :class:`~cbm_plugin.polygon.data.data_sample.PolygonDataSample`.
    """

    def transform(self, results: dict) -> dict:
        """``inputs`` and ``data_samples``, and nothing else."""
        sample = PolygonDataSample(
            metainfo={key: results.get(key, default) for key, default in METAINFO.items()})
        for key in ('vertices', 'input_vertices'):
            if key in results:
                sample.set_field(torch.from_numpy(results[key]), key)
        if 'clip_plan' in results:
            sample.clip_plan = results['clip_plan']
        img = np.ascontiguousarray(results['img'].transpose(2, 0, 1))
        return dict(inputs=torch.from_numpy(img), data_samples=sample)


def _probability(prob: float) -> float:
    if not 0 <= prob <= 1:
        raise ValueError(f'prob is {prob}, but must lie in 0..1')
    return prob
