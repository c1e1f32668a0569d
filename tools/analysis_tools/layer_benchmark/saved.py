"""What lives from the forward to the backward pass, in bytes."""
from typing import Callable, Dict, Iterable, Iterator, NamedTuple, Optional, Set, Tuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

Sized = Tuple[object, int]
"""A storage or tensor, and its bytes."""


class Saved(NamedTuple):
    """Bytes from forward to backward: by autograd, and beyond that on contexts."""
    by_autograd: int
    on_contexts: int


def saved_bytes(forward: Callable[[], Tensor],
                parameters: Iterable[Tensor]) -> Tuple[Saved, Tensor]:
    """Bytes that ``forward()`` keeps for its backward, and what it returned.

    ``by_autograd`` is what operators and ``save_for_backward`` save; ``on_contexts`` what custom
    functions keep besides, as attributes of their context, such as reordered weights. Storages
    are counted once, whole, however many views of them are kept. Parameters are not counted;
    copies of them, such as autocast's, are.
    """
    known = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    saved: Dict[int, Sized] = {}  # with the objects, so that no address is used twice
    beyond: Dict[int, Sized] = {}

    def pack(tensor: Tensor) -> Tensor:
        address, sized = _memory(tensor)
        if address not in known:
            saved[address] = sized
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = forward()
    for tensor in _on_contexts(output.grad_fn):
        address, sized = _memory(tensor)
        if address not in known and address not in saved:
            beyond[address] = sized
    return Saved(_total(saved), _total(beyond)), output


def _memory(tensor: Tensor) -> Tuple[int, Sized]:
    """An address, and what lies there."""
    if tensor.is_mkldnn:  # which has no storage
        return id(tensor), (tensor, tensor.numel() * tensor.element_size())
    storage = tensor.untyped_storage()
    return storage.data_ptr(), (storage, storage.nbytes())


def _total(memory: Dict[int, Sized]) -> int:
    return sum(size for _, size in memory.values())


def _on_contexts(root: Optional[Node]) -> Iterator[Tensor]:
    """Tensors among the attributes of the custom functions' contexts in a graph."""
    nodes, met = [root], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in met:
            met.add(node)
            nodes += [before for before, _ in node.next_functions]
            yield from _tensors_in(getattr(node, '__dict__', {}), set())


def _tensors_in(value: object, met: Set[int]) -> Iterator[Tensor]:
    """Tensors in containers and in objects' attributes; what modules hold is theirs."""
    if id(value) in met or isinstance(value, (nn.Module, type)):
        return
    met.add(id(value))
    if isinstance(value, Tensor):
        yield value
        return
    parts = value if isinstance(value, (list, tuple)) else \
        value.values() if isinstance(value, dict) else getattr(value, '__dict__', {}).values()
    for part in parts:
        yield from _tensors_in(part, met)
