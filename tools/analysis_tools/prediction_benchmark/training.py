"""A training step: CBM against ConvLSTM layers, and against a loop over frames."""
import copy
import statistics
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.nn import functional as F

from cbm_plugin.engine import Bfloat16OptimWrapper
from cbm_plugin.engine.user_errors import fail
from cbm_plugin.layers.bridge import Bridge
from cbm_plugin.layers.temporal_dropout import TemporalDropout
from cbm_plugin.prediction.data.data_sample import PredictionDataSample
from cbm_plugin.prediction.network.patch_network import PatchNetwork
from cbm_plugin.prediction.training.predictor import VideoPredictor
from cbm_plugin.registry import MODELS

from .plain import PlainNetwork
from .rows import Goal, Row, Seconds, in_turns, ratio_row

CONFIG = Path(__file__).parents[3] / 'configs/_base_/models/predictor_light.py'
SIZE = 64  # pixels of a frame's side
WRAPPERS = dict(float32=OptimWrapper, bfloat16=Bfloat16OptimWrapper)
FEEDINGS = ('teacher', 'feedback')
TWICE = Goal(2.)


def build(feeding: str, kind: str = 'CBM') -> VideoPredictor:
    """The light model by its config, with layers of this type and width.

    Args:
        feeding: ``'teacher'`` or ``'feedback'``.
        kind: ``'CBM'``, ``'ConvLSTM'``, or ``'loop'``: the CBM layers by :class:`PlainNetwork`.
    """
    cfg = Config.fromfile(CONFIG).model
    cfg.feeding = feeding
    if kind == 'ConvLSTM':
        cfg.network.layer = dict(type='ConvLSTM')
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    if kind == 'loop':
        model.network = PlainNetwork(model.network)
    return model.train()


class TrainingStep:
    """Preprocessing, forward, backward and update, as the runner does it.

    Args:
        model: is trained, at a rate at which nothing diverges.
        dtype: of the convolutions: ``'float32'`` or ``'bfloat16'``.
        args: ``batch``, ``frames`` and ``inputs``.
    """

    def __init__(self, model: VideoPredictor, dtype: str, args: Namespace) -> None:
        self.model = model
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
        self.optim_wrapper = WRAPPERS[dtype](optimizer, clip_grad=dict(max_norm=5))
        drawn = torch.randint(256, (args.batch, args.frames, model.network.channels, SIZE, SIZE),
                              generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        sample = PredictionDataSample(metainfo=dict(num_inputs=args.inputs, name='noise'))
        self.data = dict(inputs=list(drawn), data_samples=[sample] * args.batch)

    def __call__(self) -> None:
        torch.manual_seed(0)  # temporal dropout cuts as often in every round
        self.model.train_step(self.data, self.optim_wrapper)


class Convolutions:
    """The limit: the light CBM model's convolutions and their gradients, and nothing else.

    With teacher forcing each is one call over all frames. With feedback it is one over the inputs,
    and one for every frame after them, each of which waits for the one before.

    Args:
        network: whose convolutions.
        feeding, dtype, args: see :class:`TrainingStep`.
    """

    def __init__(self, network: PatchNetwork, feeding: str, dtype: str, args: Namespace) -> None:
        self.calls = [args.batch * (args.frames - 1)]
        if feeding == 'feedback':
            self.calls = [args.batch * args.inputs] + [args.batch] * (args.frames - args.inputs - 1)
        self.side = SIZE // network.patch
        weights = [convolution.weight.detach().to(getattr(torch, dtype))
                   for convolution in convolutions_of(network)]
        seconds = {}
        for layout in (torch.contiguous_format, torch.channels_last):
            self._allocate(weights, layout)
            self()
            seconds[layout] = min(in_turns(dict(own=self), 2)['own'])
        self._allocate(weights, min(seconds, key=lambda layout: seconds[layout]))

    def _allocate(self, weights: List[Tensor], layout: torch.memory_format) -> None:
        self.work: List[Tuple[Tensor, Tensor, Tensor]] = []
        for rows in self.calls:
            for weight in weights:
                x, y = (torch.randn(rows, channels, self.side, self.side, dtype=weight.dtype
                                    ).contiguous(memory_format=layout)
                        for channels in (weight.shape[1], weight.shape[0]))
                self.work.append((x, weight.contiguous(memory_format=layout), y))

    @torch.no_grad()
    def __call__(self) -> None:
        for x, weight, gradient in self.work:
            F.conv2d(x, weight, padding=1)
            torch.ops.aten.convolution_backward(gradient, x, weight, None, [1, 1], [1, 1], [1, 1],
                                                False, [0, 0], 1, [True, True, False])


def convolutions_of(network: nn.Module) -> List[nn.Conv2d]:
    """All of them; each runs once a frame, on maps of one size."""
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def multiply_adds(network: nn.Module) -> int:
    """Of the convolutions, for each place of a map."""
    return sum(convolution.weight.numel() for convolution in convolutions_of(network))


def check_the_loop(kind: Callable[[PatchNetwork], nn.Module] = PlainNetwork) -> None:
    """See that the loop is the model: outputs in evaluation; outputs and gradients in training.

    In training without temporal dropout, which the two draw in another order, with batch norm (if
    there is one) that sees a step at a time, and in float64, where gradients agree closely.

    Args:
        kind: the loop, made of the network.

    Raises:
        SystemExit: it is not.
    """
    frames = torch.rand(2, 6, 1, 16, 16, dtype=torch.float64,
                        generator=torch.Generator().manual_seed(0))
    network = build('teacher').network.double()
    for module in network.modules():
        if isinstance(module, TemporalDropout):
            module.p = 0.
        elif isinstance(module, Bridge):
            module.statistics = 'step'
    loop = kind(network).double()
    for given in (None, torch.zeros(1, 2, dtype=torch.bool)):
        for training in (True, False):
            twins = [copy.deepcopy(twin).train(training) for twin in (network, loop)]
            outputs, gradients = zip(*(_outputs_and_gradients(twin, frames, given)
                                       for twin in twins))
            for ours, theirs in (outputs, gradients):
                if not torch.allclose(ours, theirs, rtol=1e-6, atol=1e-9):
                    fail('the loop over frames computes something else than the model (off by '
                         f'{(ours - theirs).abs().max():.2g}): the comparison means nothing')


def _outputs_and_gradients(network: nn.Module, frames: Tensor,
                           given: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
    predictions = network(frames, 3, given)
    (predictions - frames[:, 3:]).square().mean().backward()
    shared = [network.embed, network.predict]
    shared += [layer.bridge if isinstance(layer.bridge, nn.Conv2d) else layer.bridge.unit
               for layer in getattr(network, 'layers', None) or network.rnn.layers]
    return predictions.detach(), torch.cat([module.weight.grad.flatten() for module in shared])


def training_part(args: Namespace) -> List[Row]:
    """All comparisons, with each feeding and in each precision."""
    check_the_loop()
    rows: List[Row] = []
    for feeding in FEEDINGS:
        for dtype in args.dtypes:
            rows += _rows(feeding, dtype, args)
    return rows


def _rows(feeding: str, dtype: str, args: Namespace) -> List[Row]:
    models = {kind: build(feeding, kind) for kind in ('CBM', 'ConvLSTM', 'loop')}
    sizes = {kind: multiply_adds(models[kind].network) for kind in ('CBM', 'ConvLSTM')}
    sides: Dict[str, Callable[[], None]] = {
        kind: TrainingStep(model, dtype, args) for kind, model in models.items()}
    sides['convolutions'] = Convolutions(models['CBM'].network, feeding, dtype, args)
    for run in sides.values():
        run()  # warm up
    seconds = in_turns(sides, args.rounds)
    start = f'training step, {feeding}, {dtype}'
    row = partial(_row, seconds)
    more = sizes['ConvLSTM'] / sizes['CBM']
    share = _median_ratio(seconds, 'convolutions', 'CBM')
    alone = _median_ratio(seconds, 'loop', 'convolutions')
    of_lstm = (f'ConvLSTM has {more:.2f} times the multiply-adds; the convolutions alone take '
               f'{share:.0%} of the CBM step.')
    of_loop = (f'The convolutions alone would be {alone:.2f} times as fast as the loop; they take '
               f'{share:.0%} of the CBM step.')
    return [
        row(f'{start}: ConvLSTM / CBM', 'ConvLSTM', 'CBM', TWICE, of_lstm),
        row(f'{start}: loop over frames / CBM', 'loop', 'CBM', TWICE, of_loop),
        row(f'{start}: loop over frames / convolutions alone (the ceiling)', 'loop',
            'convolutions')]


def _row(seconds: Seconds, what: str, above: str, below: str, goal: Optional[Goal] = None,
         bound: str = '') -> Row:
    return ratio_row(what, seconds[above], seconds[below], goal=goal, bound=bound)


def _median_ratio(seconds: Seconds, above: str, below: str) -> float:
    return statistics.median(a / b for a, b in zip(seconds[above], seconds[below]))
