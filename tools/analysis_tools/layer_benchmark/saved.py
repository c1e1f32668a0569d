"""What lives from the forward to the backward pass, in bytes."""
from typing import Callable, Dict, Iterable, Iterator, Optional, Set, Tuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node


def saved_bytes(forward: Callable[[], Tensor],
                parameters: Iterable[Tensor]) -> Tuple[int, Tensor]:
    """Bytes that ``forward()`` keeps for its backward, and what it returned.

    They are what autograd saves (``save_for_backward`` of custom functions as well), and what
    custom functions keep as attributes of their context. Storages are counted once, whole, however
    many views of them are kept. Parameters are not counted; copies of them, such as autocast's or
    reordered ones, are.
    """
    kept: Dict[int, Tuple[object, int]] = {}  # objects too, so that no address is used twice
    known = {parameter.untyped_storage().data_ptr() for parameter in parameters}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.is_mkldnn:  # has no storage
            kept[id(tensor)] = (tensor, tensor.numel() * tensor.element_size())
            return tensor
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = (storage, storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = forward()
    for tensor in _on_contexts(output.grad_fn):
        keep(tensor)
    return sum(size for _, size in kept.values()), output


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
