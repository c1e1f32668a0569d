"""The opposite of a 2x2 pool, without parameters and without indices."""
import torch
from torch import Tensor


def unpool(maps: Tensor) -> Tensor:
    """Zero-fill unpooling: each value goes to the top left of a 2x2 block that is zero elsewhere.

    The transposed convolutions after it fill the gaps (Dosovitskiy et al. 2015, section 3.2). No
    pooling indices are needed, so maps that were never pooled, such as predicted ones, can be
    enlarged.

    Args:
        maps: ``(N, C, H, W)``.

    Returns:
        ``(N, C, 2 H, 2 W)``, in the memory format of ``maps``.
    """
    batch, channels, height, width = maps.shape
    last = maps.is_contiguous(memory_format=torch.channels_last)
    enlarged = torch.empty(
        (batch, channels, 2 * height, 2 * width), dtype=maps.dtype, device=maps.device,
        memory_format=torch.channels_last if last else torch.contiguous_format).zero_()
    enlarged[..., ::2, ::2] = maps
    return enlarged
