"""A deep stack of recurrent layers, with shortcuts and pooling between them."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from torch import Tensor, nn

from .bridge import Bridge
from .build import layer_factory
from .norm import Norm
from .packing import Packed, Packing, frames_of_step, one_step
from .sequence import Lengths, check_lengths
from .state import State, shapes

Span = Union[Tuple[int, int], Tuple[int, int, int]]
RunLayer = Callable[[Any, Tensor, Optional[State]], Tuple[Tensor, State]]
"""One layer on packed frames, from its state: the frames it makes of them, and its new state."""


class DeepRNN(nn.Module):
    """Recurrent layers on top of each other, with the interface of one of them.

    Layers are numbered from 1, as in the paper. The state is a tuple, one entry a layer.

    Args:
        in_channels: C of the input.
        hidden_channels: C after each layer; its length is the depth.
        layer: ``dict(type=..., **options)`` of :func:`~cbm_plugin.layers.build.layer_factory`.
            Default None: CBM layers with their defaults.
        first_layer: options in which layer 1 differs (the standalone model's stem).
        downsample_at: layers whose R has stride 2.
        shortcuts: how many layers each shortcut spans (5: layers 1 to 5, 6 to 10, ...), or the
            spans themselves, ``[(2, 3), (4, 5)]``. A third number names an earlier layer whose
            input is added in place of the first's: ``(4, 5, 2)``. Default None: none.
        shortcut: ``'identity'`` (default; a projection where channels or size change) or
            ``'projection'``: 1x1 convolution, norm, ReLU.
        shortcut_norm: default ``'BN'``, the paper's.
        pool_after: so many layers, or the layers themselves, after which maps are max-pooled
            (after the shortcut is added). Default None: never.
        pool: arguments of :class:`torch.nn.MaxPool2d`. Default None: 2x2, ceil mode (the paper).
        statistics: of the shortcuts' batch norm, see
            :func:`~cbm_plugin.layers.norm.normalise_sequence`.

    Raises:
        ValueError: a number lies outside the stack, two shortcuts overlap, or one starts from a
            layer after its first.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int],
        layer: Optional[dict] = None,
        *,
        first_layer: Optional[dict] = None,
        downsample_at: Sequence[int] = (),
        shortcuts: Union[int, Sequence[Span], None] = None,
        shortcut: str = 'identity',
        shortcut_norm: Norm = 'BN',
        pool_after: Union[int, Sequence[int], None] = None,
        pool: Optional[dict] = None,
        statistics: str = 'sequence',
    ) -> None:
        super().__init__()
        depth = len(hidden_channels)
        if depth == 0:
            raise ValueError('hidden_channels is empty, but a stack has at least one layer')
        if shortcut not in ('identity', 'projection'):
            raise ValueError(f"shortcut is '{shortcut}': use 'identity' or 'projection'")
        self.in_channels = in_channels
        self.hidden_channels = list(hidden_channels)
        self.out_channels = self.hidden_channels[-1]
        self.spans, self.sources = _spans(shortcuts, depth)
        self.pool_after = set(_multiples(pool_after, depth))
        widths = [in_channels, *hidden_channels]
        self.layers = nn.ModuleList()
        for number in range(1, depth + 1):
            own = (first_layer or {}) if number == 1 else {}
            options = {**(layer or dict(type='CBM')), **own}
            if number in _checked(downsample_at, depth, 'downsample_at'):
                options['stride'] = 2
            self.layers.append(layer_factory(options)(widths[number - 1], widths[number]))
        self.shortcuts = nn.ModuleDict()
        for last, source in self.sources.items():
            strides = [1 + (n in downsample_at) for n in range(source, last + 1)]
            changes = widths[source - 1] != widths[last] or max(strides) > 1
            if shortcut == 'projection' or changes:
                kernel = None if self.layers[0].kernel_size is None else 1
                stride = 1
                for factor in strides:
                    stride *= factor
                self.shortcuts[str(last)] = Bridge(
                    widths[source - 1],
                    widths[last],
                    kernel,
                    stride,
                    shortcut_norm,
                    statistics=statistics,
                )
        pool = dict(kernel_size=2, ceil_mode=True) if pool is None else pool
        self.pool = nn.MaxPool2d(**pool) if self.pool_after else None

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.layers)

    def forward(
        self,
        x: Union[Tensor, Packed],
        state: Optional[State] = None,
        lengths: Lengths = None,
        state_at: Lengths = None,
    ) -> Tuple[Union[Tensor, Packed], State]:
        """As one layer's :meth:`~cbm_plugin.layers.recurrent.RecurrentLayer.forward`.

        Returns:
            ``y (N, T, hidden_channels[-1], ...)`` and the layers' states.
        """
        if isinstance(x, Packed):
            frames, new_state = self._run_packed(*x, state, state_at)
            return Packed(frames, x.packing), new_state
        if x.ndim < 3:
            raise ValueError(
                f'DeepRNN expects (N, T, C, H, W) or (N, T, C), got the shape {tuple(x.shape)}'
            )
        batch, steps = x.shape[:2]
        packing = Packing(batch, steps, check_lengths(x, lengths))
        frames, new_state = self._run_packed(packing.pack(x), packing, state, state_at)
        return packing.unpack(frames), new_state

    def step(self, x_t: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """One item: ``x_t (N, C, ...)`` -> ``y_t`` and the new states."""
        return self._run(
            frames_of_step(x_t),
            one_step(x_t.shape[0]),
            state,
            lambda layer, frames, layer_state: layer.step(frames, layer_state),
        )

    def _run_packed(
        self, frames: Tensor, packing: Packing, state: Optional[State], state_at: Lengths
    ) -> Tuple[Tensor, State]:
        def run_layer(
            layer: nn.Module, frames: Tensor, layer_state: Optional[State]
        ) -> Tuple[Tensor, State]:
            packed, new_state = layer(Packed(frames, packing), layer_state, state_at=state_at)
            return packed.frames, new_state

        return self._run(frames, packing, state, run_layer)

    def _run(
        self, frames: Tensor, packing: Packing, state: Optional[State], run_layer: RunLayer
    ) -> Tuple[Tensor, State]:
        """Layer after layer, with what stands between them."""
        states = self._layer_states(state)
        new_states: List[State] = []
        inputs: Dict[int, Tensor] = {}
        for number, layer in enumerate(self.layers, start=1):
            if number in self.sources.values():
                inputs[number] = frames
            frames, new_state = run_layer(layer, frames, states[number - 1])
            new_states.append(new_state)
            frames = self._close_block(number, frames, inputs, packing)
        return frames, tuple(new_states)

    def _close_block(
        self, number: int, frames: Tensor, inputs: Dict[int, Tensor], packing: Packing
    ) -> Tensor:
        if number in self.sources:
            source = self.sources[number]
            block_input = inputs[source]
            if source not in [s for last, s in self.sources.items() if last > number]:
                del inputs[source]  # the last use
            if str(number) in self.shortcuts:
                block_input = self.shortcuts[str(number)](block_input, packing)
            frames = frames + block_input
        if number in self.pool_after and self.pool is not None:
            frames = self.pool(frames)
        return frames

    def _layer_states(self, state: Optional[State]) -> Sequence[Optional[State]]:
        if state is None:
            return [None] * self.depth
        if not isinstance(state, (tuple, list)) or len(state) != self.depth:
            raise ValueError(
                f'a stack of {self.depth} layers expects a tuple of {self.depth} '
                f'states, got {shapes(state)}'
            )
        return state


def _checked(numbers: Sequence[int], depth: int, name: str) -> Sequence[int]:
    for number in numbers:
        if not 1 <= number <= depth:
            raise ValueError(f'{name} names layer {number}, but the stack has layers 1..{depth}')
    return numbers


def _multiples(every: Union[int, Sequence[int], None], depth: int) -> Sequence[int]:
    if every is None:
        return ()
    if isinstance(every, int):
        if every < 1:
            raise ValueError(f'pool_after is {every}, but must be at least 1, or None')
        return range(every, depth + 1, every)
    return _checked(every, depth, 'pool_after')


def _spans(
    shortcuts: Union[int, Sequence[Span], None], depth: int
) -> Tuple[Dict[int, int], Dict[int, int]]:
    """First layer -> last layer of each shortcut, and last layer -> where it starts."""
    if shortcuts is None:
        return {}, {}
    if isinstance(shortcuts, int):
        if shortcuts < 1:
            raise ValueError(f'shortcuts is {shortcuts}, but must be at least 1, or None')
        shortcuts = [
            (first, first + shortcuts - 1) for first in range(1, depth - shortcuts + 2, shortcuts)
        ]
    spans: Dict[int, int] = {}
    sources: Dict[int, int] = {}
    free_from = 1
    for first, last, *rest in sorted(map(tuple, shortcuts)):
        (source,) = rest or [first]
        _checked((first, last, source), depth, 'shortcuts')
        if not free_from <= first <= last:
            raise ValueError(
                f'the shortcut ({first}, {last}) overlaps the one before it, or ends '
                'before it starts: spans are (first layer, last layer), apart'
            )
        if source > first:
            raise ValueError(
                f'the shortcut ({first}, {last}) starts from the input of layer '
                f'{source}, which is not there yet: name a layer up to {first}'
            )
        spans[first], sources[last], free_from = last, source, last + 1
    return spans, sources
