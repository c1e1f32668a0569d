"""The light network: patches of pixels in, a recurrent stack, patches out."""
from typing import Any, Optional, Sequence, Tuple

from torch import Tensor, nn
from torch.nn import functional as F

from ...layers import DeepRNN, State, variant_settings
from ...layers.sequence import Lengths
from ...registry import MODELS
from .frame_network import FrameNetwork


@MODELS.register_module()
class PatchNetwork(FrameNetwork):
    """Patch embedding -> recurrent stack -> patches: nothing but the stack looks far.

    Patches of 4x4 pixels, as in PredRNN and OpenSTL's ConvLSTM, leave maps of 16x16 for frames of
    64x64, on which the recurrence is affordable.

    Args:
        hidden_channels: of the recurrent layers; as many entries as layers.
        channels: C of the frames. Default 1: grey.
        patch: side of a patch in pixels, which divides height and width. Default 4.
        residual: predict the change of the last frame, not the frame. Default False, as in the
            systems above. What stands still then needs nothing to be learnt.
        rnn: further arguments of :class:`~cbm_plugin.layers.deep_rnn.DeepRNN`, and ``variant``,
            see :func:`~cbm_plugin.layers.variants.variant_settings`.
    """

    def __init__(self, hidden_channels: Sequence[int], channels: int = 1, patch: int = 4,
                 residual: bool = False, **rnn: Any) -> None:
        super().__init__(channels)
        self.patch = patch
        self.residual = residual
        pixels = channels * patch ** 2
        widths = list(hidden_channels)
        self.embed = nn.Conv2d(pixels, widths[0], 3, padding=1)
        self.rnn = DeepRNN(widths[0], widths, **variant_settings(**rnn))
        self.predict = nn.Conv2d(widths[-1], pixels, 3, padding=1)

    def next_frames(self, frames: Tensor, state: Optional[State] = None, lengths: Lengths = None,
                    state_at: Lengths = None) -> Tuple[Tensor, State]:
        """As :meth:`FrameNetwork.next_frames`, all frames at once."""
        shape = frames.shape[:2]
        maps = self._encode(frames.flatten(0, 1)).unflatten(0, shape)
        maps, state = self.rnn(maps, state, lengths, state_at)
        return self._decode(maps.flatten(0, 1), frames.flatten(0, 1)).unflatten(0, shape), state

    def step(self, frame: Tensor, state: Optional[State]) -> Tuple[Tensor, State]:
        """One frame ``(N, C, H, W)`` -> the prediction of the next one, and the state."""
        maps, state = self.rnn.step(self._encode(frame), state)
        return self._decode(maps, frame), state

    def observe(self, frames: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """As :meth:`FrameNetwork.observe`: only the last frame is decoded."""
        maps = self._encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        maps, state = self.rnn(maps, state)
        return self._decode(maps[:, -1], frames[:, -1]), state

    def _encode(self, frames: Tensor) -> Tensor:
        height, width = frames.shape[-2:]
        if height % self.patch or width % self.patch:
            raise ValueError(f'frames of {height}x{width} cannot be cut into patches of '
                             f'{self.patch}x{self.patch}: choose a size that is a multiple of '
                             f'{self.patch}, or another network.patch')
        return F.relu(self.embed(F.pixel_unshuffle(frames, self.patch)))

    def _decode(self, maps: Tensor, frames: Tensor) -> Tensor:
        predicted = F.pixel_shuffle(self.predict(maps), self.patch)
        return frames + predicted if self.residual else predicted
