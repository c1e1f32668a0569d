"""Outlines of the objects in an image, given their boxes."""
import os
from pathlib import Path
from typing import Any, List, Optional, Sequence, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate

from ...engine.checkpoints import load_exactly
from ...engine.inference import build_unloaded, inference_pipeline
from ..data.data_sample import PolygonDataSample
from ..data.images import read_image
from ..data.instances import box_fault
from ..geometry.clipping import clipped
from ..network.model import PolygonRNN
from .drawing import check_image
from .predictions import Box, OutlinePrediction


class PolygonInferencer:
    """Boxes in, outlines out.

    ::

        outlines = PolygonInferencer(CONFIG, CHECKPOINT)
        for outline in outlines('street.jpg', [[40, 30, 210, 180]]):
            outline.polygon, outline.score

    The boxes of an image are cropped as the config's test pipeline does, and pass the network
    together: trunk and every decoding step run once for a batch of boxes.

    Args:
        config: file, or what was read of it.
        checkpoint: file or URL, which must fit the config's model exactly. Default None: untrained
            weights, for trying things out.
        device: default None: the GPU if there is one, else the CPU.
        batch_size: boxes that pass the network together. Default 32; more need more memory.

    Raises:
        FileNotFoundError, ValueError: see :func:`~cbm_plugin.engine.checkpoints.load_exactly`; or
            the config has no polygon model or no test pipeline.
    """

    def __init__(self, config: Union[str, Path, Config],
                 checkpoint: Union[str, Path, None] = None,
                 device: Union[str, torch.device, None] = None, batch_size: int = 32) -> None:
        if batch_size < 1:
            raise ValueError(f'batch_size is {batch_size}, but must be at least 1')
        cfg = config if isinstance(config, Config) else Config.fromfile(config)
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.batch_size = batch_size
        self.model = _build_model(cfg)
        if checkpoint is not None:
            load_exactly(self.model, checkpoint, str(cfg.filename or 'the config'))
        self.model.to(device).eval()
        self.pipeline = Compose(inference_pipeline(cfg, 'objects are cropped as that does'))

    def __call__(self, image: Union[str, Path, np.ndarray], boxes: Any,
                 labels: Optional[Sequence[int]] = None) -> List[OutlinePrediction]:
        """Outline what is in each box.

        Args:
            image: file, or uint8 BGR ``(H, W, 3)``.
            boxes: ``(n, 4)``: x1, y1, x2, y2 in pixels of the image. They may reach beyond it.
            labels: classes of the objects, handed on. Default None: 0.

        Returns:
            An outline for each box, in their order. It ends at the image's border; where it lies
            wholly outside, the box's part of the image stands for it.

        Raises:
            FileNotFoundError, ValueError: the image cannot be read; a box has no area, is not
                finite or lies outside the image: with its number and value.
        """
        if isinstance(image, (str, Path)):
            path, pixels = os.fspath(image), read_image(os.fspath(image))
        else:
            path, pixels = '', image
        check_image(pixels)
        height, width = pixels.shape[:2]
        checked = check_boxes(boxes, height, width)
        labels = _checked_labels(labels, len(checked))
        samples: List[PolygonDataSample] = []
        for start in range(0, len(checked), self.batch_size):
            samples += self._predict(pixels, path, checked[start:start + self.batch_size])
        return [OutlinePrediction(_inside(sample, box, height, width),
                                  float(sample.pred_score), box, label)
                for sample, box, label in zip(samples, checked, labels)]

    @torch.no_grad()
    def _predict(self, pixels: np.ndarray, path: str,
                 boxes: Sequence[Box]) -> List[PolygonDataSample]:
        crops = [self.pipeline(dict(img=pixels, img_path=path, ori_shape=pixels.shape[:2], box=box))
                 for box in boxes]
        return self.model.test_step(pseudo_collate(crops))


def check_boxes(boxes: Any, height: int, width: int) -> List[Box]:
    """Boxes as tuples of floats.

    Raises:
        ValueError: they are not ``(n, 4)``; or one is not finite, has no area, or lies outside the
            image: with its number, from 0, and its value.
    """
    try:
        table = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'boxes must be (n, 4) numbers, x1, y1, x2, y2: {error}') from None
    if table.size == 0:
        return []
    if table.ndim != 2 or table.shape[1] != 4:
        raise ValueError(f'boxes must be (n, 4): x1, y1, x2, y2 each, got the shape {table.shape}')
    checked = []
    for number, (x1, y1, x2, y2) in enumerate(table.tolist()):
        fault = box_fault((x1, y1, x2, y2), (height, width))
        if fault:
            raise ValueError(f'box {number} is {x1:g}, {y1:g}, {x2:g}, {y2:g}: {fault}. Give x1, '
                             f'y1, x2, y2 in pixels of the image, which is {width} wide and '
                             f'{height} high (corners, not width and height)')
        checked.append((x1, y1, x2, y2))
    return checked


def _checked_labels(labels: Optional[Sequence[int]], number: int) -> List[int]:
    if labels is None:
        return [0] * number
    if len(labels) != number:
        raise ValueError(f'there are {number} boxes, but {len(labels)} labels: give one for each')
    return [int(label) for label in labels]


def _inside(sample: PolygonDataSample, box: Box, height: int, width: int) -> np.ndarray:
    polygon = clipped(sample.pred_polygon, height, width)
    if len(polygon):
        return polygon
    x1, y1, x2, y2 = np.clip(box, 0, (width, height, width, height))
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)


def _build_model(cfg: Config) -> PolygonRNN:
    """The config's model, without fetching pretrained weights: a checkpoint has them all."""
    built = build_unloaded(cfg)
    if not isinstance(built, PolygonRNN):
        raise ValueError(f"model.type is '{cfg.model.type}', but outlines come from a PolygonRNN: "
                         'use a config of configs/polygon')
    return built
