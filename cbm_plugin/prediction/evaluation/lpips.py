"""LPIPS, a distance of images learnt from what people find similar, by the package ``lpips``."""
from functools import lru_cache
from typing import Callable, Optional

import torch
from torch import Tensor

NOT_INSTALLED = """\
the metric 'lpips' needs the package lpips: pip install lpips (it also needs torchvision, which
downloads the weights of AlexNet on first use), or leave 'lpips' out of metrics"""

AT_ONCE = 64
"""Images that go through the network together."""


def lpips(predictions: Tensor, targets: Tensor,
          network: Optional[Callable[[Tensor, Tensor], Tensor]] = None) -> Tensor:
    """Zhang et al., The Unreasonable Effectiveness of Deep Features, CVPR 2018. Lower is better.

    Args:
        predictions: ``(N, T, C, H, W)`` in [0, 1], grey or RGB.
        targets: likewise.
        network: maps two batches of images ``(n, 3, H, W)`` in [-1, 1] to n distances. Default:
            :func:`alexnet`, with which papers on prediction compare.

    Returns:
        ``(N, T)``.

    Raises:
        ImportError: the default is asked for, but there is no package ``lpips``.
    """
    network = alexnet().to(predictions.device) if network is None else network
    pairs = zip(*(_images(frames).split(AT_ONCE) for frames in (predictions, targets)))
    return torch.cat([network(x, y).flatten() for x, y in pairs]).view(predictions.shape[:2])


@lru_cache(maxsize=None)
def alexnet() -> torch.nn.Module:
    """The package's own network, built once.

    This package downloads nothing; but torchvision fetches the weights of its AlexNet from
    download.pytorch.org (233 MB) the first time, unless they are in
    ``$TORCH_HOME/hub/checkpoints``.
    """
    try:
        from lpips import LPIPS
    except ImportError as error:
        raise ImportError(NOT_INSTALLED) from error
    return LPIPS(net='alex', verbose=False).eval()


def _images(frames: Tensor) -> Tensor:
    """In [-1, 1]; grey ones as three equal channels."""
    images = frames.flatten(0, 1).float() * 2 - 1
    return images.expand(-1, 3, -1, -1)
