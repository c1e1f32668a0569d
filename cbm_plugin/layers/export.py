"""ONNX files of one step: a frame and the states go in, an output and the new states come out.

So any runtime can stream: it keeps the states between frames, as ``layer.step`` does in PyTorch.
Needs ``pip install onnx onnxscript onnxruntime``, and nothing of them before it is called.
"""

import copy
import logging
import os
import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

import torch
from torch import Tensor, nn

from .recurrent import RecurrentLayer
from .state import State, map_state


def flatten_state(state: State) -> List[Tensor]:
    """The tensors of a state, layer after layer, as the file numbers them."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for part in state for leaf in flatten_state(part)]


def unflatten_state(leaves: Iterable[Tensor], like: State) -> State:
    """The opposite of :func:`flatten_state`: ``leaves`` in the structure of ``like``."""
    remaining = iter(leaves)
    return map_state(lambda _: next(remaining), like)


class StepModule(nn.Module):
    """``forward(x_t, *states) -> (y_t, *new_states)``: one step between plain tensors.

    Args:
        module: anything with ``step(x_t, state) -> (y_t, state)``: a recurrent layer, a
            :class:`~cbm_plugin.layers.deep_rnn.DeepRNN`, ...
        like: a state of it, for the structure.
    """

    def __init__(self, module: nn.Module, like: State) -> None:
        super().__init__()
        self.module: Any = module
        self.like = like

    def forward(self, x_t: Tensor, *states: Tensor) -> Tuple[Tensor, ...]:
        """One step; see the class."""
        y_t, state = self.module.step(x_t, unflatten_state(states, self.like))
        return (y_t, *flatten_state(state))


def export_step(
    module: nn.Module,
    x_t: Tensor,
    path: Union[str, Path],
    *,
    dynamic_batch: bool = False,
    metadata: Optional[Dict[str, str]] = None,
    accept: Optional[Callable[[Path], Any]] = None,
) -> None:
    """Write one step of ``module`` as an ONNX file, whole or not at all.

    Inputs are ``frame``, ``state_0``, ``state_1``, ...; outputs are ``output``, ``new_state_0``,
    ``new_state_1``, ... A sequence starts from states of zeros. The module itself stays as it is:
    a copy is exported, in evaluation, on the CPU, with its plain recurrence.

    Args:
        module: see :class:`StepModule`.
        x_t: one frame ``(N, C, H, W)``, or ``(N, C)``: the file takes this shape and type.
        path: of the file; what stands there is replaced once the new one is good.
        dynamic_batch: the file takes any N. Default False: that of ``x_t``, which every runtime
            can plan for.
        metadata: what the file says of itself.
        accept: called with the finished draft's path before it becomes ``path``; if it raises,
            ``path`` stays as it was. For a check such as :func:`compare_step`.

    Raises:
        ImportError: onnx or onnxscript is missing.
    """
    require('onnx', 'onnxscript')
    import onnx

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    proto = _translate(_exportable(module), x_t.detach().cpu(), dynamic_batch)
    onnx.helper.set_model_props(proto, {'initial_state': 'zeros', **(metadata or {})})
    onnx.checker.check_model(proto, full_check=True)
    draft = path.with_name(f'.{os.getpid()}_{path.name}')
    try:
        draft.write_bytes(proto.SerializeToString())
        if accept is not None:
            accept(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


class Differences(NamedTuple):
    """Largest absolute differences over all frames: of the outputs, and of the states."""

    output: float
    state: float


def compare_step(
    module: nn.Module, path: Union[str, Path], frames: Iterable[Tensor]
) -> Differences:
    """Step through ``frames`` in onnxruntime and in PyTorch, each carrying its own states.

    Args:
        module: what was exported; PyTorch steps a copy of it in evaluation, on the CPU.
        path: of the ONNX file.
        frames: each ``(N, C, H, W)`` or ``(N, C)``, all of the same shape.

    Raises:
        ImportError: onnxruntime is missing.
    """
    require('onnxruntime')
    from onnxruntime import InferenceSession

    session = InferenceSession(str(path), providers=['CPUExecutionProvider'])
    stepper: Any = copy.deepcopy(module).eval().cpu()
    names = [node.name for node in session.get_inputs()]
    differences = torch.zeros(2, dtype=torch.float64)
    theirs: Optional[List[Any]] = None
    state: Optional[State] = None
    for x_t in frames:
        x_t = x_t.detach().cpu()
        with torch.no_grad():
            y_t, state = stepper.step(x_t, state)
        ours = flatten_state(state)
        theirs = theirs or [torch.zeros_like(leaf).numpy() for leaf in ours]
        output, *theirs = session.run(None, dict(zip(names, [x_t.numpy(), *theirs])))
        now = torch.stack(
            [_difference(y_t, output), torch.stack(list(map(_difference, ours, theirs))).max()]
        )
        differences = torch.maximum(differences, now)  # unlike max(), lets NaN through
    return Differences(*differences.tolist())


def require(*packages: str) -> None:
    """Say what to install where one of the packages is missing.

    Raises:
        ImportError: with the pip line.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'{" and ".join(missing)} not installed, but ONNX export needs it: '
            'pip install onnx onnxscript onnxruntime'
        )


def _exportable(module: nn.Module) -> nn.Module:
    module = copy.deepcopy(module).eval().cpu()
    for layer in module.modules():
        if isinstance(layer, RecurrentLayer):
            layer.twin = 'naive'  # a loop of plain operators
    return module


def _translate(module: Any, x_t: Tensor, dynamic_batch: bool) -> Any:
    """The ONNX model of a step that starts from zeros."""
    if dynamic_batch:
        x_t = x_t[:1].expand(2, *x_t.shape[1:])  # a traced N of 1 would be taken for a constant
    with torch.no_grad():
        _, like = module.step(x_t)
    states = [torch.zeros_like(leaf) for leaf in flatten_state(like)]
    inputs = (x_t, *states)
    shapes = None
    if dynamic_batch:
        batch = {0: torch.export.Dim('batch')}
        shapes = (batch, (batch,) * len(states))
    # dynamo=True: the older exporter, dynamo=False, which PyTorch is giving up, wrote the example's
    # batch size into the Reshape nodes of our layers whatever it was told, and failed on any other.
    # torch.export is called here, not by torch.onnx.export: that tries several ways in turn, and
    # one of them fixed the batch size without a word.
    with _quiet():
        program = torch.export.export(
            StepModule(module, like).eval(), inputs, dynamic_shapes=shapes, strict=False
        )
        converted = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            dynamic_shapes=shapes,
            input_names=['frame', *(f'state_{i}' for i in range(len(states)))],
            output_names=['output', *(f'new_state_{i}' for i in range(len(states)))],
        )
    assert converted is not None  # it is with dynamo=True
    return converted.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on torchvision, which nothing here needs, and on itself."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='.*LeafSpec')
            warnings.filterwarnings('ignore', message='.*The axis name: batch will not be used')
            yield
    finally:
        logger.setLevel(level)


def _difference(ours: Tensor, theirs: Any) -> Tensor:
    return (ours.double() - torch.from_numpy(theirs).double()).abs().max()
