"""Memory that is used again and again for intermediate results."""
import threading

import torch
from torch import Tensor

_kept = threading.local()


def scratch(number: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``(number,)`` with anything in it; the next call in this thread gives the same memory.

    On a CPU the system hands out fresh memory page by page, which takes longer than a metric's
    arithmetic on it. So the largest piece that was asked for is kept there. Elsewhere PyTorch
    itself keeps what was freed.
    """
    if device.type != 'cpu':
        return torch.empty(number, dtype=dtype, device=device)
    size = number * dtype.itemsize
    memory = getattr(_kept, 'memory', None)
    if memory is None or memory.numel() < size:
        _kept.memory = memory = torch.empty(size, dtype=torch.uint8)
    return memory[:size].view(dtype)
