"""The limit: what the convolutions of a CBM stack cost when nothing has to wait for anything."""
import time
from collections import Counter
from typing import Callable, List, Tuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .shapes import KERNEL_SIZE, Shape

DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16}
LAYOUTS = {'NCHW': torch.contiguous_format, 'channels_last': torch.channels_last}


class Bound:
    """What a CBM stack must compute, as plain convolutions over all N*T frames, and nothing else.

    Of each layer: R, T's input half and T's state half forward; in ``train`` the gradients of
    their weights and inputs as well. No bias, norm, activation or recurrence. The faster of NCHW
    and channels_last is used. Temporal dropout spares a layer the input gradient of half its
    steps or so, which is not deducted.
    """
    modes = ('forward', 'train')
    steps = 1

    def __init__(self, shape: Shape, dtype: str, device: torch.device,
                 synchronize: Callable[[], None]) -> None:
        self.key = ('bound', dtype)
        self.counts = Counter(shape.convolutions)
        frames = (shape.batch * shape.steps, shape.size)
        seconds = {}
        for layout in LAYOUTS:
            self._allocate(frames, DTYPES[dtype], device, layout)
            seconds[layout] = min(self._seconds(synchronize) for _ in range(2))
        self.layout = min(seconds, key=lambda layout: seconds[layout])
        self._allocate(frames, DTYPES[dtype], device, self.layout)

    def _allocate(self, frames: Tuple[int, int], dtype: torch.dtype, device: torch.device,
                  layout: str) -> None:
        def draw(rows: int, columns: int, size: int) -> Tensor:
            drawn = torch.randn(rows, columns, size, size, device=device, dtype=dtype)
            return drawn.contiguous(memory_format=LAYOUTS[layout])

        number, size = frames
        self.tensors: List[Tuple[Tensor, Tensor, Tensor]] = []
        for before, after in self.counts:
            self.tensors.append((draw(number, before, size), draw(after, before, KERNEL_SIZE),
                                 draw(number, after, size)))

    def _seconds(self, synchronize: Callable[[], None]) -> float:
        """A training step's, from one convolution of each width."""
        total = 0.0
        for conv, count in zip(self.tensors, self.counts.values()):
            synchronize()
            start = time.perf_counter()
            _convolve(*conv, backward=True)
            synchronize()
            total += count * (time.perf_counter() - start)
        return total

    def prepare(self, mode: str) -> None:
        """Nothing to do between runs."""

    def warm_up(self) -> None:
        """Done by the choice of the layout."""

    def _run(self, backward: bool) -> None:
        for conv, count in zip(self.tensors, self.counts.values()):
            for _ in range(count):
                _convolve(*conv, backward=backward)

    def forward(self) -> None:
        self._run(backward=False)

    def train(self) -> None:
        self._run(backward=True)


@torch.no_grad()
def _convolve(x: Tensor, weight: Tensor, grad: Tensor, backward: bool) -> None:
    padding = KERNEL_SIZE // 2
    F.conv2d(x, weight, padding=padding)
    if backward:
        torch.ops.aten.convolution_backward(
            grad, x, weight, None, [1, 1], [padding, padding], [1, 1], False, [0, 0], 1,
            [True, True, False])
