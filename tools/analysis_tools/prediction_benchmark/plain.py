"""The light network as most people write it: frame by frame, layer by layer, in plain PyTorch."""
from typing import List, Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cbm_plugin.layers import CBM
from cbm_plugin.prediction.network.patch_network import PatchNetwork


class PlainCBM(nn.Module):
    """One CBM layer, one frame at a time; the gate is one convolution of ``[x, s]``.

    Args:
        layer: gives its weights and its temporal dropout: ReLU, batch norm or none
            in the bridge, none in the gate.
    """

    def __init__(self, layer: CBM) -> None:
        super().__init__()
        channels, width = layer.in_channels, layer.hidden_channels
        self.temporal_dropout = layer.temporal_dropout.p
        self.bridge = nn.Conv2d(channels, width, 3, padding=1)
        self.gate = nn.Conv2d(channels + width, width, 3, padding=1)
        self.bridge.load_state_dict(layer.bridge.unit.state_dict())
        self.norm: nn.Module = nn.Identity()
        if layer.bridge.norm is not None:
            self.norm = nn.BatchNorm2d(width)
            self.norm.load_state_dict(layer.bridge.norm.state_dict())
        temporal = layer.temporal
        with torch.no_grad():
            self.gate.weight.copy_(torch.cat([temporal.input_unit.weight,
                                              temporal.state_unit.weight], dim=1))
            self.gate.bias.copy_(temporal.input_unit.bias)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """``x (N, C, H, W)`` and the gate before -> the gate after it."""
        if self.training and torch.rand(()) < self.temporal_dropout:
            x = x.detach()
        return torch.sigmoid(self.gate(torch.cat([x, s], dim=1)))

    def output(self, x: Tensor, s: Tensor) -> Tensor:
        """``(N, C, H, W)`` of the same frame and the gate after it."""
        return F.relu(self.norm(self.bridge(x))) * s


class PlainNetwork(nn.Module):
    """The same function as a :class:`PatchNetwork` of CBM layers, as loops over time.

    Every frame goes through the encoder, each layer and the decoder before the next one is looked
    at, also where all of them are known, as in OpenSTL's recurrent models. A batch norm, if
    there is one, sees one frame of each sequence at a time: ``statistics='step'`` of the original.

    Args:
        network: gives weights, patches and shortcuts.
    """

    def __init__(self, network: PatchNetwork) -> None:
        super().__init__()
        self.channels, self.patch = network.channels, network.patch
        self.embed = nn.Conv2d(network.embed.in_channels, network.embed.out_channels, 3, padding=1)
        self.predict = nn.Conv2d(network.predict.in_channels, network.predict.out_channels, 3,
                                 padding=1)
        self.embed.load_state_dict(network.embed.state_dict())
        self.predict.load_state_dict(network.predict.state_dict())
        self.layers = nn.ModuleList(map(PlainCBM, network.rnn.layers))
        self.spans = dict(network.rnn.spans)

    def forward(self, frames: Tensor, num_inputs: int, given: Optional[Tensor] = None,
                inputs_too: bool = False) -> Tensor:
        """See :meth:`~cbm_plugin.prediction.network.frame_network.FrameNetwork.forward`."""
        batch, steps, _, height, width = frames.shape
        states = [frames.new_zeros(batch, layer.bridge.out_channels, height // self.patch,
                                   width // self.patch) for layer in self.layers]
        predictions: List[Tensor] = []
        for t in range(steps - 1):
            frame = frames[:, t]
            if t >= num_inputs and given is not None:
                is_given = given[:, t - num_inputs, None, None, None]
                frame = torch.where(is_given, frame, predictions[-1].clamp(0, 1))
            x = F.relu(self.embed(F.pixel_unshuffle(frame, self.patch)))
            x = self._layers(x, states)
            predictions.append(F.pixel_shuffle(self.predict(x), self.patch))
        return torch.stack(predictions if inputs_too else predictions[num_inputs - 1:], dim=1)

    def _layers(self, x: Tensor, states: List[Tensor]) -> Tensor:
        """One frame through all layers, whose states are replaced."""
        ends = {}
        for number, layer in enumerate(self.layers, 1):
            if number in self.spans:
                ends[self.spans[number]] = x
            states[number - 1] = layer(x, states[number - 1])
            x = layer.output(x, states[number - 1])
            if number in ends:
                x = x + ends.pop(number)
        return x
