"""MCnet (Villegas et al., ICLR 2017): motion and content apart, with any recurrent core.

::

    x_t - x_{t-1} -> motion encoder -> recurrent core --+
                        |                               combination -> decoder -> x_{t+1}
    x_t -----------> content encoder -------------------+                 |
                        |                                                 |
                        +-- residual connections at three scales ---------+

Section 4.3 of the Deep RNN paper puts 15 CBM layers in the place of the core, a ConvLSTM layer. The
kernel sizes, the ReLUs and the initialisation are those of the code that MCnet was published with.
"""
from typing import Any, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...layers import DeepRNN, Packed, Packing, State, variant_settings
from ...layers.sequence import Lengths, check_lengths, check_state_at
from ...layers.state import shapes
from ...registry import MODELS
from .frame_network import FrameNetwork
from .unpooling import unpool

CONVOLUTIONS = (2, 2, 3)
"""How many there are at each scale of the content encoder, and of the decoder."""

SHRINKS = 8
"""Side of the frames over side of the core's maps: three pools of 2x2."""

LUMA = (0.299, 0.587, 0.114)
"""Grey of red, green and blue (ITU-R BT.601), as OpenCV and TensorFlow compute it."""

Features = Tuple[Tensor, List[Tensor]]
"""The maps behind the last pool, and those before each of the pools."""


@MODELS.register_module()
class MCnet(FrameNetwork):
    """Motion-content network with a recurrent core by config.

    With the published width, 15 CBM layers of 256 channels in the core and grey frames it has the
    published 35.9M parameters, 26.5M of them in the core; with one ConvLSTM layer 14.1M.

    The content is the last frame in [-1, 1], the motion the change of its grey value in [0, 1].
    The first frame of a video has no predecessor: its motion is zero. (The published code starts
    the core one frame later, and has no prediction from one frame alone.)

    Args:
        hidden_channels: of the core's layers; as many entries as layers.
        channels: C of the frames, 1 (grey, the default) or 3 (RGB).
        width: channels at the frames' size; 2 and 4 times as many at half and a quarter of it, and
            4 times as many go into the core. Default 64, as published.
        rnn: further arguments of the core, a :class:`~cbm_plugin.layers.deep_rnn.DeepRNN`, and
            ``variant``, see :func:`~cbm_plugin.layers.variants.variant_settings`. The paper's is
            ``variant='prediction'``.

    Raises:
        ValueError: the frames are neither grey nor RGB, or the core changes the size of the maps.
    """

    def __init__(self, hidden_channels: Sequence[int], channels: int = 1, width: int = 64,
                 **rnn: Any) -> None:
        super().__init__(channels)
        if channels not in (1, 3):
            raise ValueError(f'channels is {channels}, but the motion of MCnet is the change of '
                             'grey values: use 1 (grey) or 3 (RGB)')
        if rnn.get('pool_after') or rnn.get('downsample_at'):
            raise ValueError('the core of MCnet must keep the size of its maps, since they meet '
                             'those of the content: leave out pool_after and downsample_at')
        widths = (width, 2 * width, 4 * width)
        self.motion = Encoder(1, widths, kernel_sizes=(5, 5, 7), convolutions=(1, 1, 1))
        self.content = Encoder(channels, widths, kernel_sizes=(3, 3, 3), convolutions=CONVOLUTIONS)
        self.rnn = DeepRNN(widths[-1], list(hidden_channels), **variant_settings(**rnn))
        self.combine = nn.Sequential(
            *_convolution(self.rnn.out_channels + widths[-1], widths[2]),
            *_convolution(widths[2], widths[1]),
            *_convolution(widths[1], widths[2]))
        self.residuals = nn.ModuleList(
            nn.Sequential(*_convolution(2 * width, width), nn.Conv2d(width, width, 3, padding=1))
            for width in widths)
        self.decoder = Decoder(widths, channels)
        for part in (self.motion, self.content, self.combine, self.residuals, self.decoder):
            _initialise(part)

    def next_frames(self, frames: Tensor, state: Optional[State] = None, lengths: Lengths = None,
                    state_at: Lengths = None) -> Tuple[Tensor, State]:
        """As :meth:`FrameNetwork.next_frames`, the decoder on all frames at once."""
        batch, steps = frames.shape[:2]
        packing = Packing(batch, steps, check_lengths(frames, lengths))
        rows, motion, state = self._move(frames, packing, state, state_at)
        return packing.unpack(self._decode(rows, motion)), state

    def observe(self, frames: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """As :meth:`FrameNetwork.observe`: only the last frame is decoded."""
        batch, steps = frames.shape[:2]
        rows, (moved, skipped), state = self._move(frames, Packing(batch, steps), state, None)
        last = moved[-batch:], [maps[-batch:] for maps in skipped]
        return self._decode(rows[-batch:], last), state

    def step(self, frame: Tensor, state: Optional[State]) -> Tuple[Tensor, State]:
        """One frame ``(N, C, H, W)`` -> the next one, and the state with this frame in it."""
        self._check(frame)
        previous, core = _parts(state, frame)
        motion, skipped = self.motion(grey(frame) - grey(previous))
        moved, core = self.rnn.step(motion, core)
        return self._decode(frame, (moved, skipped)), (frame, core)

    def _move(self, frames: Tensor, packing: Packing, state: Optional[State],
              state_at: Lengths) -> Tuple[Tensor, Features, State]:
        """The frames packed, what the core makes of their motion, and the new state."""
        self._check(frames)
        previous, core = _parts(state, frames[:, 0])
        rows = packing.pack(frames)
        before = packing.pack(torch.cat([previous[:, None], frames[:, :-1]], dim=1))
        motion, skipped = self.motion(grey(rows) - grey(before))
        packed, core = self.rnn(Packed(motion, packing), core, state_at=state_at)
        at = check_state_at(state_at, packing.lengths, packing.batch, packing.steps)
        return rows, (packed.frames, skipped), (packing.pick(previous, rows, at), core)

    def _decode(self, frames: Tensor, motion: Features) -> Tensor:
        """Frames ``(M, C, H, W)`` and the motion up to them -> the next ones, in [0, 1]."""
        content, content_skipped = self.content(2 * frames - 1)
        moved, motion_skipped = motion
        added = [residual(torch.cat([moving, still], dim=1)) for residual, moving, still
                 in zip(self.residuals, motion_skipped, content_skipped)]
        maps = self.combine(torch.cat([moved, content], dim=1))
        return (self.decoder(maps, added) + 1) / 2

    def _check(self, frames: Tensor) -> None:
        channels, height, width = frames.shape[-3:]
        if channels != self.channels:
            raise ValueError(f'frames have {channels} channels, but this MCnet was built for '
                             f'{self.channels}: set its channels, or those of the data')
        if height % SHRINKS or width % SHRINKS:
            raise ValueError(f'frames of {height}x{width} cannot be halved three times: choose a '
                             f'size that is a multiple of {SHRINKS}')


class Encoder(nn.Module):
    """At each scale convolutions with ReLUs, then a 2x2 max-pool.

    Args:
        in_channels: C of the frames.
        widths: channels at each scale, from the frames' size down.
        kernel_sizes: of the convolutions of each scale, odd.
        convolutions: how many there are at each scale.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], kernel_sizes: Sequence[int],
                 convolutions: Sequence[int]) -> None:
        super().__init__()
        self.scales = nn.ModuleList()
        for width, kernel_size, count in zip(widths, kernel_sizes, convolutions):
            layers: List[nn.Module] = []
            for _ in range(count):
                layers += _convolution(in_channels, width, kernel_size)
                in_channels = width
            self.scales.append(nn.Sequential(*layers))

    def forward(self, frames: Tensor) -> Features:
        """``(M, C, H, W)`` -> the maps behind the last pool, and those before each of them."""
        maps, skipped = frames, []
        for scale in self.scales:
            maps = scale(maps)
            skipped.append(maps)
            maps = F.max_pool2d(maps, 2)
        return maps, skipped


class Decoder(nn.Module):
    """The content encoder backwards: at each scale unpool, add the residual, convolve (transposed).

    Args:
        widths: as of the encoders.
        out_channels: C of the frames.
    """

    def __init__(self, widths: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList()
        behind = (out_channels, *widths[:-1])
        for width, after, count in zip(widths, behind, CONVOLUTIONS):
            layers: List[nn.Module] = []
            for place in range(1, count + 1):
                out = after if place == count else width
                layers += [nn.ConvTranspose2d(width, out, 3, padding=1), nn.ReLU(inplace=True)]
            if not self.scales:  # its last maps are the frames
                layers[-1] = nn.Tanh()
            self.scales.append(nn.Sequential(*layers))

    def forward(self, maps: Tensor, added: Sequence[Tensor]) -> Tensor:
        """Maps and a residual for each scale -> frames ``(M, C, H, W)`` in [-1, 1]."""
        for scale, residual in reversed(list(zip(self.scales, added))):
            maps = scale(F.relu(unpool(maps) + residual))
        return maps


def grey(frames: Tensor) -> Tensor:
    """``(M, C, H, W)``, grey or RGB -> ``(M, 1, H, W)``."""
    if frames.shape[1] == 1:
        return frames
    return (frames * frames.new_tensor(LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True)


def _parts(state: Optional[State], frame: Tensor) -> Tuple[Tensor, Optional[State]]:
    """The frame before this one, and the core's state: at the start the frame itself, and none."""
    if state is None:
        return frame, None
    if isinstance(state, Tensor) or len(state) != 2 or shapes(state[0]) != tuple(frame.shape):
        raise ValueError(f'MCnet expects a state of the previous frame {tuple(frame.shape)} and of '
                         f'its core, got {shapes(state)}: pass what it returned for the same batch '
                         'and size, or None')
    previous, core = state
    assert isinstance(previous, Tensor)
    return previous, core


def _convolution(in_channels: int, out_channels: int, kernel_size: int = 3) -> List[nn.Module]:
    return [nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
            nn.ReLU(inplace=True)]


def _initialise(part: nn.Module) -> None:
    """Xavier's uniform bounds and no bias, as in MCnet's code."""
    for module in part.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
