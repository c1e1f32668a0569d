"""What is measured: stacks of recurrent layers on maps, and the arithmetic they cannot avoid."""
from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Tuple

from cbm_plugin.layers import POLYGON_CHANNELS

KERNEL_SIZE = 3
BACKWARD_PASSES = 2  # gradients of the weights and of the input, as many FLOPs each as forward


@dataclass(frozen=True)
class Shape:
    """One stack and its input ``(batch, steps, in_channels, size, size)``.

    ``channels`` are the widths after each layer; ``variant`` names an entry of
    :data:`cbm_plugin.layers.VARIANTS`, None means CBM's defaults.
    """
    name: str
    in_channels: int
    channels: Tuple[int, ...]
    size: int
    batch: int
    steps: int = 10
    variant: Optional[str] = None

    @property
    def label(self) -> str:
        width = f'{self.channels[0]}ch' if self.variant is None else self.variant
        return (f'{width} {self.size}x{self.size} N{self.batch} T{self.steps} '
                f'L{len(self.channels)}')

    @property
    def convolutions(self) -> List[Tuple[int, int]]:
        """``(in, out)`` channels of R, T's input half and T's state half, layer by layer."""
        widths = (self.in_channels, *self.channels)
        return [conv for before, after in zip(widths, self.channels)
                for conv in ((before, after), (before, after), (after, after))]

    @property
    def forward_flops(self) -> int:
        """``2 k^2 in out`` per output pixel, over all convolutions and all N*T frames."""
        pixels = self.batch * self.steps * self.size ** 2
        return sum(2 * KERNEL_SIZE ** 2 * before * after for before, after in self.convolutions
                   ) * pixels

    @property
    def train_flops(self) -> int:
        """Forward, and the gradients of weights and inputs."""
        return (1 + BACKWARD_PASSES) * self.forward_flops

    def flops(self, mode: str) -> int:
        return self.train_flops if mode == 'train' else self.forward_flops


def _uniform(name: str, channels: int, size: int, batch: int, depth: int) -> Shape:
    return Shape(name, channels, (channels,) * depth, size, batch)


def _longer(shape: Shape, steps: int = 60) -> Shape:
    return replace(shape, name=f'{shape.name}_T{steps}', steps=steps)


_BASIC = [
    _uniform('64ch_14x14', 64, 14, batch=2, depth=15),
    _uniform('32ch_7x7', 32, 7, batch=4, depth=15),
    _uniform('512ch_7x7', 512, 7, batch=4, depth=3),
    _uniform('128ch_28x28', 128, 28, batch=4, depth=5),
    Shape('polygon', 131, tuple(POLYGON_CHANNELS[15]), 28, batch=8, variant='polygon'),
]
GRID = [*_BASIC, _longer(_BASIC[0]), _longer(_BASIC[1])]
"""Measured unless others are named. The other long ones take minutes, or 20 GB and more."""

TINY = Shape('tiny', 4, (4, 4), 5, batch=2, steps=3)
"""Says nothing about speed: for seeing within seconds that everything works."""

SHAPES: Dict[str, Shape] = {
    shape.name: shape for shape in (*GRID, *map(_longer, _BASIC[2:]), TINY)}
