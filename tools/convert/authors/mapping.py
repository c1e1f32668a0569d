"""What becomes of each weight of a foreign state dict: the entries of a table, and doing it."""
from typing import Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import torch
from torch import Tensor

MAX_NAMED = 10
"""So many keys of each kind are named in a message; the rest are counted."""
Shape = Tuple[int, ...]
COUNTER = 'num_batches_tracked'


class ConversionError(ValueError):
    """A file is not what it was said to be; the message names the keys."""


class Entry(NamedTuple):
    """One weight.

    theirs, shape: its name and shape in their file.
    ours: the name, or names, in our model.
    how: in words, for the report.
    change: their weight -> ours, as many as there are names.
    added: to what another entry gave the same name.
    """
    theirs: str
    shape: Shape
    ours: Tuple[str, ...]
    how: str = 'renamed'
    change: Callable[[Tensor], Sequence[Tensor]] = lambda weight: [weight]
    added: bool = False


# --- entries of common modules


def linear(theirs: str, ours: str, out_channels: int, *rest: int) -> List[Entry]:
    """Weight and bias of a linear map, or of a convolution: ``rest`` are (in, kernel, kernel)."""
    return [Entry(f'{theirs}.weight', (out_channels, *rest), (f'{ours}.weight',)),
            Entry(f'{theirs}.bias', (out_channels,), (f'{ours}.bias',))]


def batch_norm(theirs: str, ours: str, channels: int) -> List[Entry]:
    """A batch norm with running statistics."""
    names = ('weight', 'bias', 'running_mean', 'running_var')
    return [*(Entry(f'{theirs}.{name}', (channels,), (f'{ours}.{name}',)) for name in names),
            Entry(f'{theirs}.{COUNTER}', (), (f'{ours}.{COUNTER}',))]


def gate(theirs: str, ours: str, in_channels: int, channels: int, order: str) -> List[Entry]:
    """T's one 3x3 convolution over two concatenated inputs, which are two of ours.

    Args:
        order: ``'[input, state]'`` or ``'[state, input]'``, that of the concatenation.
    """
    input_name, state_name = f'{ours}.input_unit.weight', f'{ours}.state_unit.weight'
    sizes, names = [in_channels, channels], (input_name, state_name)
    if order == '[state, input]':
        sizes, names = sizes[::-1], names[::-1]
    return [
        Entry(f'{theirs}.weight', (channels, in_channels + channels, 3, 3), names,
              f'{order} split after {sizes[0]} channels',
              lambda weight: [part.clone() for part in weight.split(sizes, dim=1)]),
        Entry(f'{theirs}.bias', (channels,), (f'{ours}.input_unit.bias',))]


def vgg_convolutions(repeats: Sequence[int]) -> List[Tuple[int, int, int]]:
    """(place, in, out) of the convolutions of a VGG with batch norm, as torchvision counts places.

    Args:
        repeats: convolutions of each stage: (2, 2, 4, 4, 4) for VGG19, (2, 2, 3, 3, 3) for VGG16.
    """
    found, place, before = [], 0, 3
    for stage, count in enumerate(repeats):
        channels = min(64 * 2 ** stage, 512)
        for _ in range(count):
            found.append((place, before, channels))
            place, before = place + 3, channels  # convolution, norm, ReLU
        place += 1  # the pool
    return found


# --- doing it


def size_of(weights: Mapping[str, Tensor], name: str, dim: int) -> int:
    """A size that the others follow from.

    Raises:
        ConversionError: the weight is missing, or has fewer dimensions.
    """
    if name not in weights:
        raise ConversionError(f'missing: {name}')
    shape = tuple(weights[name].shape)
    if len(shape) <= dim:
        raise ConversionError(f'of another shape: {name} {shape}')
    return shape[dim]


def convert(table: Sequence[Entry],
            weights: Mapping[str, Tensor]) -> Tuple[Dict[str, Tensor], List[dict]]:
    """Our state dict, and the report: a row for each key of theirs.

    Counters of batch norms, which PyTorch writes since 0.4.1, are 0 where they are missing.

    Raises:
        ConversionError: keys are missing, left over or of another shape.
    """
    _check(table, weights)
    ours: Dict[str, Tensor] = {}
    rows: List[dict] = []
    for entry in table:
        how = entry.how
        if entry.theirs in weights:
            parts = entry.change(weights[entry.theirs])
        else:
            parts, how = [torch.tensor(0)], 'missing, as before PyTorch 0.4.1: 0'
        for name, part in zip(entry.ours, parts):
            ours[name] = ours[name] + part if entry.added else part
        rows.append(dict(theirs=entry.theirs, ours=list(entry.ours), shape=list(entry.shape),
                         how=how))
    return ours, rows


def _check(table: Sequence[Entry], weights: Mapping[str, Tensor]) -> None:
    expected = {entry.theirs: entry.shape for entry in table}
    missing = [name for name in expected
               if name not in weights and not name.endswith(f'.{COUNTER}')]
    unexpected = [name for name in weights if name not in expected]
    reshaped = [f'{name} {tuple(weights[name].shape)} instead of {shape}'
                for name, shape in expected.items()
                if name in weights and tuple(weights[name].shape) != shape]
    faults = [f'{kind}: {_some(names)}' for kind, names in (
        ('missing', missing), ('unexpected', unexpected), ('of another shape', reshaped)) if names]
    if faults:
        raise ConversionError('; '.join(faults))


def _some(names: Sequence[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ', '.join(names[:MAX_NAMED]) + (f' and {rest} more' if rest > 0 else '')
