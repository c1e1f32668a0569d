"""How the recurrence starts: it decides whether a state remembers anything.

A change of the state reaches the state ``k`` frames later multiplied by ``k`` Jacobians of the
recurrence. A gate that starts with small weights works on the flat of nothing: PyTorch's default
leaves .0003 of a change after four frames. :func:`state_survival` measures it.
"""

from typing import Any, Callable, Dict, Union

import torch
from torch import Tensor, nn

from .recurrent import Projection, RecurrentLayer, bias_of
from .state import State, map_state

Init = Union[str, Dict[str, Any]]
"""A key of :data:`INITIALISATIONS`, or a dict with one as ``type`` and its arguments."""


def xavier(input_unit: Projection, state_unit: Projection, gain: float = 3.0) -> None:
    """Xavier's uniform bounds times ``gain`` on both halves of T, biases zero.

    Gain 3 is the authors' (section 4.1, implementation); .0005 to .002 of a change is left after
    eight frames.
    """
    for unit in (input_unit, state_unit):
        nn.init.xavier_uniform_(unit.weight, gain=gain)
    if input_unit.bias is not None:
        nn.init.zeros_(input_unit.bias)


def near_identity(
    input_unit: Projection,
    state_unit: Projection,
    scale: float = 4.0,
    bias: float = -2.0,
    gain: float = 1.0,
) -> None:
    """State weights near ``scale`` times the identity: the gate starts as a latch.

    With ``sigmoid(4 s - 2)`` a half-open gate sits where the sigmoid is steepest, so that a change
    of the state is kept at close to its size: .16 of it is left after eight frames. The default of
    :class:`~cbm_plugin.layers.cbm.CBM`. Noise is Xavier's at a tenth of ``gain``.
    """
    xavier(input_unit, state_unit, gain)
    with torch.no_grad():
        state_unit.weight.mul_(0.1)
        centre = tuple(size // 2 for size in state_unit.weight.shape[2:])
        for channel in range(state_unit.weight.shape[0]):
            state_unit.weight[(channel, channel) + centre] += scale
    nn.init.constant_(bias_of(input_unit), bias)


def default(input_unit: Projection, state_unit: Projection) -> None:
    """PyTorch's own: for comparison, since it forgets within a few frames."""


INITIALISATIONS: Dict[str, Callable[..., None]] = {
    'xavier': xavier,
    'near_identity': near_identity,
    'default': default,
}


PLAIN_XAVIER: Init = dict(type='xavier', gain=1.0)
"""The usual one."""


def initialise_recurrence(init: Init, input_unit: Projection, state_unit: Projection) -> None:
    """Initialise the two halves of a recurrent unit by name or config.

    Args:
        init: a key of :data:`INITIALISATIONS`, or a dict with one as ``type`` and its arguments.
        input_unit: sees the input.
        state_unit: sees the state.

    Raises:
        ValueError: there is no such initialisation.
    """
    options: Dict[str, Any] = dict(type=init) if isinstance(init, str) else dict(init)
    kind = options.pop('type')
    if kind not in INITIALISATIONS:
        raise ValueError(
            f"initialisation '{kind}' is unknown: use one of {sorted(INITIALISATIONS)}"
        )
    INITIALISATIONS[kind](input_unit, state_unit, **options)


@torch.no_grad()
def state_survival(layer: RecurrentLayer, x: Tensor, size: float = 1e-3) -> Tensor:
    """What is left of a small change of the initial state after 1, 2, ... T items.

    Args:
        layer: a recurrent layer.
        x: ``(N, T, ...)``, what it sees meanwhile.
        size: the change, normal noise of this standard deviation.

    Returns:
        ``(T,)``: the norm of the difference of the two states over the norm of the change.
    """
    state = layer(x)[1]  # a state this layer visits, where its nonlinearities are in use
    change = map_state(lambda leaf: size * torch.randn_like(leaf), state)
    other = map_state(torch.add, state, change)
    ratios = []
    for x_t in x.unbind(1):
        state, other = layer.step(x_t, state)[1], layer.step(x_t, other)[1]
        ratios.append(_distance(state, other) / _norm(change))
    return torch.stack(ratios)


def _norm(state: State) -> Tensor:
    if isinstance(state, Tensor):
        return state.norm()
    return torch.stack([_norm(part) for part in state]).norm()


def _distance(a: State, b: State) -> Tensor:
    return _norm(map_state(torch.sub, a, b))
