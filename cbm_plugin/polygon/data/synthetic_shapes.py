"""The embedded default of outlines: nothing to download."""
import os
from typing import Any, Sequence

from ...registry import DATASETS
from ...synthetic.shapes import make_shapes
from .coco import CocoPolygons


@DATASETS.register_module()
class SyntheticShapes(CocoPolygons):
    """The embedded default: pictures of partly hidden objects of 6 classes, made at first use.

    Args:
        data_root: folder to make them in.
        split: ``'train'``, ``'val'``, ...: each has draws of its own.
        num_images: of the split, 3 to 6 objects each.
        pipeline: transforms.
        seed: of the pictures. Default 0.
        size: height and width in pixels. Default 192.
        options: see :class:`~cbm_plugin.polygon.data.coco.CocoPolygons`.
    """

    def __init__(self, data_root: str, split: str, num_images: int, pipeline: Sequence[Any] = (),
                 seed: int = 0, size: int = 192, **options: Any) -> None:
        ann_file = str(make_shapes(data_root, split, num_images, seed, size))
        super().__init__(ann_file, data_prefix=dict(img=os.path.dirname(ann_file)),
                         pipeline=pipeline, **options)
