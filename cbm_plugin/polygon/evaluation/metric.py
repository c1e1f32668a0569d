"""How well outlines fit: IoU at the original resolution, over objects and over classes."""
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ...files import write_text
from ...progress import Progress
from ...registry import METRICS
from ..geometry.boundary import boundary_scores, pixel_tolerance
from ..geometry.outline import rasterised

NO_PARTS = """\
a sample of image {} has no annotated outline ('parts'), without which there is no IoU: test on
annotated data, or take PolygonIoU out of the evaluator"""


class ObjectScore(NamedTuple):
    """What one object came to.

    Args:
        image: number or name of its image.
        object: its ``object_id``.
        category: class, counted from 0.
        predicted: whether any outline was predicted for it.
        iou: 0 to 1.
        boundary_f: likewise, as the next two.
        boundary_precision: see :func:`.boundary.boundary_scores`.
        boundary_recall: likewise.
    """
    image: Any
    object: Any
    category: int
    predicted: bool
    iou: float
    boundary_f: float
    boundary_precision: float
    boundary_recall: float


@METRICS.register_module()
class PolygonIoU(BaseMetric):
    """IoU and boundary F of predicted outlines, mean over objects and mean over classes.

    An object is all samples of one image with one ``object_id``: their outlines together against
    its annotated parts together, rasterised in pixels of the original image and cut off at its
    edge. An object for which nothing was predicted counts as 0. The two means differ by several
    points where classes differ in size, so both are always given:

    - ``miou_instances``, ``miou_classes`` (over the classes that occur), ``iou_<class>``;
    - ``boundary_f``, ``boundary_f_classes``: likewise, of the boundary F-measure;
    - ``num_instances``, ``num_missing`` (of them without a predicted outline).

    The protocol and a table of the classes go to the log.

    Args:
        boundary_tolerance: in pixels; below 1, a share of the image's diagonal (DAVIS: 0.008).
            Default 2 pixels, the wider of the two at which outlines of Cityscapes are compared
            (F at 1 and 2 pixels: Ling et al., Curve-GCN, CVPR 2019).
        out_file: json file for protocol, values and every object. Default None: none.
        options: ``collect_device`` and ``prefix`` of MMEngine's ``BaseMetric``.

    Raises:
        ValueError: an option is out of range; (when run) a sample has no annotated outline.
    """

    default_prefix = 'polygon'

    def __init__(self, boundary_tolerance: float = 2., out_file: Optional[str] = None,
                 **options: Any) -> None:
        super().__init__(**options)
        if not boundary_tolerance > 0:
            raise ValueError(f'boundary_tolerance is {boundary_tolerance}, but must be above 0: '
                             "pixels, or below 1 a share of the image's diagonal")
        if out_file is not None and not str(out_file).endswith('.json'):
            raise ValueError(f'out_file is {out_file}, but must end with .json')
        self.boundary_tolerance, self.out_file = boundary_tolerance, out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the outlines of each sample: an object is complete only when all have been seen."""
        for sample in data_samples:
            parts, predicted = sample.get('parts'), sample.get('pred_polygon')
            if not parts:
                raise ValueError(NO_PARTS.format(sample.get('img_path', sample.get('img_id'))))
            self.results.append(dict(
                image=sample['img_id'], object=sample['object_id'],
                category=int(sample['category']), shape=tuple(map(int, sample['ori_shape'])),
                parts=[np.asarray(part, np.float32) for part in parts],
                predicted=None if predicted is None else np.asarray(predicted, np.float32)))

    def compute_metrics(self, results: List[dict]) -> Dict[str, float]:
        """The values over all objects, logged with their protocol."""
        objects = defaultdict(list)
        for result in results:
            objects[result['image'], result['object']].append(result)
        progress, scores = Progress('objects compared', len(objects)), []
        for samples in objects.values():
            scores.append(object_score(samples, self.boundary_tolerance))
            progress.update(len(scores))
        values, table = self._values(scores)
        protocol = self.protocol(scores)
        print_log(f'{protocol}\n{table}', logger='current')
        if self.out_file is not None:
            content = dict(protocol=protocol, values=values,
                           instances=[score._asdict() for score in scores])
            write_text(Path(self.out_file),
                       json.dumps(content, indent=1, default=lambda item: item.item()) + '\n')
        return values

    def _values(self, scores: List[ObjectScore]) -> Tuple[Dict[str, float], str]:
        """All values by name, and the classes as a table."""
        categories = np.array([score.category for score in scores])
        numbers = np.array([(score.iou, score.boundary_f) for score in scores])
        found = np.unique(categories)
        by_class = np.stack([numbers[categories == category].mean(0) for category in found])
        names = [self._class_name(category) for category in found]
        (iou, f), (iou_classes, f_classes) = numbers.mean(0), by_class.mean(0)
        values = dict(miou_instances=iou, miou_classes=iou_classes, boundary_f=f,
                      boundary_f_classes=f_classes, num_instances=len(scores),
                      num_missing=sum(not score.predicted for score in scores))
        values.update({f'iou_{name}': row[0] for name, row in zip(names, by_class)})
        rows = [(name, (categories == category).sum(), *row)
                for name, category, row in zip(names, found, by_class)]
        rows += [('mean over objects', len(scores), iou, f),
                 ('mean over classes', len(scores), iou_classes, f_classes)]
        width = max(len(row[0]) for row in rows)
        lines = [f'{"":{width}}  objects     IoU  boundary F']
        lines += [f'{row[0]:{width}}  {row[1]:7}  {row[2]:.4f}      {row[3]:.4f}' for row in rows]
        return {name: float(value) for name, value in values.items()}, '\n'.join(lines)

    def _class_name(self, category: int) -> str:
        classes = (self.dataset_meta or {}).get('classes', ())
        return str(classes[category] if category < len(classes) else category)

    def protocol(self, scores: List[ObjectScore]) -> str:
        """What the numbers mean, in words."""
        near = f'{self.boundary_tolerance:g} ' + (
            'pixels' if self.boundary_tolerance >= 1 else "of the image's diagonal, rounded up")
        missing = sum(not score.predicted for score in scores)
        return (f'IoU of {len(scores)} objects in {len({score.image for score in scores})} images: '
                'outlines rasterised at the original resolution and cut off at the edge of the '
                f'image, the parts of an object together; {missing} objects without a predicted '
                'outline count as 0; mean over objects, and mean over the '
                f'{len({score.category for score in scores})} classes that occur. Boundary F: '
                f'boundary pixels within {near}, the edge of the image left out.')


def object_score(samples: Sequence[dict], tolerance: float) -> ObjectScore:
    """Compare the outlines of one object.

    Args:
        samples: what :meth:`PolygonIoU.process` keeps of each of its samples.
        tolerance: of the boundary, see :func:`.boundary.pixel_tolerance`.
    """
    first = samples[0]
    truth = [part for sample in samples for part in sample['parts']]
    predicted = [sample['predicted'] for sample in samples if is_outline(sample['predicted'])]
    head = first['image'], first['object'], first['category'], bool(predicted)
    if not predicted:
        return ObjectScore(*head, 0., 0., 0., 0.)
    mask, true_mask = common_masks(predicted, truth, first['shape'])
    union = int((mask | true_mask).sum())
    iou = int((mask & true_mask).sum()) / union if union else 0.
    return ObjectScore(*head, iou, *boundary_scores(
        mask, true_mask, pixel_tolerance(tolerance, *first['shape'])))


def is_outline(polygon: Optional[np.ndarray]) -> bool:
    """Whether there is something to rasterise: three vertices or more, all finite."""
    return polygon is not None and len(polygon) >= 3 and bool(np.isfinite(polygon).all())


def common_masks(parts_a: Sequence[np.ndarray], parts_b: Sequence[np.ndarray],
                 shape: Tuple[int, int]) -> Tuple[np.ndarray, np.ndarray]:
    """Two objects of one image, rasterised in the smallest box that holds both.

    Args:
        parts_a: polygons ``(n, 2)`` in pixels of the image.
        parts_b: likewise.
        shape: height and width of the image: nothing beyond it is kept.

    Returns:
        Two uint8 masks of the same shape. The box has a margin of one pixel (within the image), so
        that only the image's own edge is an edge of the masks.
    """
    points, size = np.concatenate([*parts_a, *parts_b]), np.array(shape[::-1])
    low = np.clip(np.floor(points.min(0)) - 1, 0, size - 1).astype(int)
    width, height = np.clip(np.ceil(points.max(0)) + 2, low + 1, size).astype(int) - low
    mask_a, mask_b = (rasterised([part - low for part in parts], height, width)
                      for parts in (parts_a, parts_b))
    return mask_a, mask_b
