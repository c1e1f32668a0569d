"""What comes out of the polygon application: outlines, and the image they belong to."""
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

Box = Tuple[float, float, float, float]


@dataclass(frozen=True)
class OutlinePrediction:
    """The outline of one object, or of one part of it.

    Args:
        polygon: ``(n, 2)`` x and y in pixels of the image, closed implicitly.
        score: in 0 to 1; None where there is none, as for an annotation.
        box: ``(x1, y1, x2, y2)`` that it was predicted in; None where there was none.
        label: class, from 0.
        object_id: outlines of one image that share it are parts of one object. Default None: an
            object of its own.
    """
    polygon: np.ndarray
    score: Optional[float] = None
    box: Optional[Box] = None
    label: int = 0
    object_id: Optional[int] = None


@dataclass(frozen=True)
class ImageOutlines:
    """All outlines of one image.

    Args:
        img_path: its file.
        height, width: in pixels.
        outlines: of its objects.
        image_id: in a COCO file. Default None: counted from 1.
    """
    img_path: str
    height: int
    width: int
    outlines: Sequence[OutlinePrediction]
    image_id: Optional[int] = None


def by_object(outlines: Sequence[OutlinePrediction]) -> List[List[OutlinePrediction]]:
    """Outlines grouped to objects, in the order of their first parts."""
    objects: List[List[OutlinePrediction]] = []
    known: Dict[int, List[OutlinePrediction]] = {}
    for outline in outlines:
        if outline.object_id is None:
            objects.append([outline])
        elif outline.object_id in known:
            known[outline.object_id].append(outline)
        else:
            known[outline.object_id] = [outline]
            objects.append(known[outline.object_id])
    return objects
