"""Who is compared: the twins of our layers, and the loops that everybody writes."""
import copy
from functools import partial
from typing import Callable, Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn

from cbm_plugin.layers import VARIANTS, DeepRNN

from .shapes import KERNEL_SIZE, Shape

SEED = 0


class PlainConvLSTM(nn.Module):
    """ConvLSTM as it is mostly written: a frame at a time, one convolution of ``[x_t, h]``."""

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.hidden_channels = hidden_channels
        self.conv = nn.Conv2d(in_channels + hidden_channels, 4 * hidden_channels, KERNEL_SIZE,
                              padding=KERNEL_SIZE // 2)

    def forward(self, x: Tensor) -> Tensor:
        """``x (N, T, C, H, W)`` -> ``(N, T, hidden_channels, H, W)``."""
        h = c = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[3:])
        outputs = []
        for x_t in x.unbind(1):
            i, f, o, g = self.conv(torch.cat([x_t, h], dim=1)).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1)


class PlainCBM(nn.Module):
    """A CBM as it is mostly written: a frame at a time, one convolution of ``[x_t, s]``.

    Where there is a batch norm it sees one frame of each sequence at a time.
    """

    def __init__(self, in_channels: int, hidden_channels: int, norm: bool) -> None:
        super().__init__()
        self.hidden_channels = hidden_channels
        same = dict(kernel_size=KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        self.bridge = nn.Sequential(nn.Conv2d(in_channels, hidden_channels, **same),
                                    *((nn.BatchNorm2d(hidden_channels), nn.ReLU()) if norm
                                      else (nn.Tanh(),)))
        self.gate = nn.Conv2d(in_channels + hidden_channels, hidden_channels, **same)

    def forward(self, x: Tensor) -> Tensor:
        """``x (N, T, C, H, W)`` -> ``(N, T, hidden_channels, H, W)``."""
        s = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[3:])
        outputs = []
        for x_t in x.unbind(1):
            seen = x_t.detach() if self.training and torch.rand(()) < 0.5 else x_t
            s = torch.sigmoid(self.gate(torch.cat([seen, s], dim=1)))
            outputs.append(self.bridge(x_t) * s)
        return torch.stack(outputs, dim=1)


class PlainStack(nn.Sequential):
    """Plain layers, returning what a :class:`DeepRNN` does; the state is None."""

    def __init__(self, layer: Callable[[int, int], nn.Module], in_channels: int,
                 channels: Tuple[int, ...]) -> None:
        super().__init__(*map(layer, (in_channels, *channels[:-1]), channels))

    def forward(self, x: Tensor) -> Tuple[Tensor, None]:
        return super().forward(x), None


def build_stack(shape: Shape, impl: str) -> nn.Module:
    """The stack that ``impl`` stands for; the same seed gives both twins the same weights."""
    torch.manual_seed(SEED)
    if impl == 'convlstm_plain':
        return PlainStack(PlainConvLSTM, shape.in_channels, shape.channels)
    if impl == 'cbm_plain':
        layer = partial(PlainCBM, norm=shape.variant is None)
        return PlainStack(layer, shape.in_channels, shape.channels)
    if impl == 'convlstm':
        options: dict = dict(layer=dict(type='ConvLSTM', twin='fast'))
    else:
        options = dict(VARIANTS[shape.variant]) if shape.variant else dict(layer=dict(type='CBM'))
        options['layer'] = dict(options['layer'], twin=impl)
    return DeepRNN(shape.in_channels, shape.channels, **options)


class StackRun:
    """A stack with its input and a fixed random gradient of its output.

    The input requires a gradient, as the output of a backbone in training does. Under bfloat16
    the stack runs in autocast, with float32 weights and input.
    """

    def __init__(self, shape: Shape, impl: str, dtype: str, device: torch.device) -> None:
        self.key = (impl, dtype)
        self.modes: Tuple[str, ...] = ('forward', 'train')
        if impl in ('naive', 'fast'):
            self.modes += ('step',)
        self.steps = shape.steps
        self.module = build_stack(shape, impl).to(device)
        self.evaluated: Dict[str, nn.Module] = {}
        generator = torch.Generator().manual_seed(SEED)

        def draw(channels: int) -> Tensor:
            return torch.randn(shape.batch, shape.steps, channels, shape.size, shape.size,
                               generator=generator).to(device)

        self.x = draw(shape.in_channels).requires_grad_()
        self.cotangent = draw(shape.channels[-1])
        self.autocast = dict(device_type=device.type, dtype=torch.bfloat16,
                             enabled=dtype == 'bfloat16')

    def prepare(self, mode: str) -> None:
        """Not timed. One seed for all, so that temporal dropout cuts the same steps everywhere.

        Evaluation has copies that stay in it, since a layer may prepare its weights once.
        """
        if mode != 'train' and mode not in self.evaluated:
            self.evaluated[mode] = copy.deepcopy(self.module).eval()
        self.module.zero_grad(set_to_none=True)
        self.x.grad = None
        torch.manual_seed(SEED)

    def warm_up(self) -> None:
        """Two frames through everything."""
        self.prepare('train')
        self.backward(self.output(self.x[:, :2]))
        self.prepare('train')

    def output(self, x: Optional[Tensor] = None) -> Tensor:
        with torch.autocast(**self.autocast):
            return self.module(self.x if x is None else x)[0]

    def backward(self, y: Tensor) -> None:
        y.backward(self.cotangent[:, :y.shape[1]].to(y.dtype))

    def forward(self) -> None:
        with torch.inference_mode(), torch.autocast(**self.autocast):
            self.evaluated['forward'](self.x)

    def train(self) -> None:
        self.backward(self.output())

    def step(self) -> None:
        """All T frames, one call each."""
        state = None
        with torch.inference_mode(), torch.autocast(**self.autocast):
            for x_t in self.x.unbind(1):
                _, state = self.evaluated['step'].step(x_t, state)


def stacks_of(dtype: str) -> List[Tuple[str, str]]:
    """The stacks that are compared, as ``(impl, dtype)``; naive float32 is always the reference."""
    further = [] if dtype == 'float32' else [('naive', dtype)]
    return [('naive', 'float32'), *further,
            *((impl, dtype) for impl in ('fast', 'convlstm', 'convlstm_plain')),
            ('cbm_plain', 'float32')]
