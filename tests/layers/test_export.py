"""ONNX files of one step compute what PyTorch does."""
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import onnx
import pytest
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

from cbm_plugin.layers import CBM, LSTM, VARIANTS, ConvGRU, ConvLSTM, DeepRNN
from cbm_plugin.layers.export import (
    compare_step,
    export_step,
    flatten_state,
    unflatten_state,
)

STEPS = 50
NETWORKS: Dict[str, Callable[[], nn.Module]] = {
    'stack': lambda: DeepRNN(3, [4, 4, 5, 5], shortcuts=2, pool_after=2),
    'backbone': lambda: DeepRNN(3, [4] * 5, **VARIANTS['backbone']),
    'prediction': lambda: DeepRNN(3, [4] * 5, **VARIANTS['prediction']),
    'ConvLSTM': lambda: ConvLSTM(3, 4),
    'ConvGRU': lambda: ConvGRU(3, 4),
    'LSTM': lambda: LSTM(3, 4),
}


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for module in network.modules():  # running statistics that are not the identity
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network


def frames(name: str, batch: int, steps: int = STEPS) -> Tensor:
    size = (3,) if name == 'LSTM' else (3, 7, 9)
    return torch.randn(batch, steps, *size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope='module', params=NETWORKS)
def exported(request: pytest.FixtureRequest,
             tmp_path_factory: pytest.TempPathFactory) -> Tuple[str, nn.Module, Path]:
    """A network in training mode, and the file of its step for any N."""
    name, network = request.param, build(request.param)
    path = tmp_path_factory.mktemp('onnx') / f'{name}.onnx'
    export_step(network, frames(name, batch=1)[:, 0], path, dynamic_batch=True)
    return name, network, path


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Tuple[nn.Module, Path]]:
    """The smallest network, and where its file shall stand."""
    yield build('LSTM'), tmp_path / 'made' / 'lstm.onnx'


def stream(path: Path, x: Tensor) -> Tuple[Tensor, List[Tensor]]:
    """``x (N, T, ...)`` frame by frame through the file, by the names in it alone."""
    session = InferenceSession(str(path), providers=['CPUExecutionProvider'])
    states = {node.name: torch.zeros(len(x), *node.shape[1:]).numpy()
              for node in session.get_inputs() if node.name != 'frame'}
    outputs = []
    for x_t in x.unbind(1):
        made = session.run(None, {'frame': x_t.numpy(), **states})
        named = dict(zip([node.name for node in session.get_outputs()], made))
        outputs.append(torch.from_numpy(named['output']))
        states = {name: named[f'new_{name}'] for name in states}
    return torch.stack(outputs, 1), [torch.from_numpy(state) for state in states.values()]


def assert_within(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


def shapes(values: object) -> List[Tuple[str, list]]:
    return [(value.name, [dim.dim_param or dim.dim_value for dim in
                          value.type.tensor_type.shape.dim]) for value in values]


@pytest.mark.parametrize('batch', [1, 3])
def test_streaming_in_onnxruntime_equals_the_whole_sequence_in_pytorch(
        exported: Tuple[str, nn.Module, Path], batch: int) -> None:
    name, network, path = exported
    x = frames(name, batch)
    outputs, states = stream(path, x)
    with torch.no_grad():
        y, state = build(name).eval()(x)
    assert_within(outputs, y)
    for ours, theirs in zip(states, flatten_state(state)):
        assert_within(ours, theirs)


def test_the_file_names_frame_output_and_every_state_with_its_shape(
        exported: Tuple[str, nn.Module, Path]) -> None:
    name, network, path = exported
    graph = onnx.load(str(path)).graph
    x_t = frames(name, batch=1)[:, 0]
    y_t, state = build(name).eval().step(x_t)
    leaves = [['batch', *leaf.shape[1:]] for leaf in flatten_state(state)]
    assert shapes(graph.input) == [('frame', ['batch', *x_t.shape[1:]]), *(
        (f'state_{i}', shape) for i, shape in enumerate(leaves))]
    assert shapes(graph.output) == [('output', ['batch', *y_t.shape[1:]]), *(
        (f'new_state_{i}', shape) for i, shape in enumerate(leaves))]


def test_the_exported_module_stays_as_it_was(exported: Tuple[str, nn.Module, Path]) -> None:
    name, network, _ = exported
    fresh = build(name)
    assert all(module.training for module in network.modules())
    for ours, theirs in zip(network.state_dict().values(), fresh.state_dict().values()):
        assert torch.equal(ours, theirs)
    assert [getattr(module, 'twin', None) for module in network.modules()] == [
        getattr(module, 'twin', None) for module in fresh.modules()]


def test_a_fixed_batch_stands_in_the_file(cell: Tuple[nn.Module, Path]) -> None:
    export_step(cell[0], frames('LSTM', batch=2)[:, 0], cell[1], metadata={'config': 'a.py'})
    model = onnx.load(str(cell[1]))
    assert shapes(model.graph.input) == [(name, [2, size]) for name, size in (
        ('frame', 3), ('state_0', 4), ('state_1', 4))]
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told == {'initial_state': 'zeros', 'config': 'a.py'}


def test_a_refused_file_leaves_the_old_one_and_no_draft(cell: Tuple[nn.Module, Path]) -> None:
    network, path = cell
    path.parent.mkdir()
    path.write_text('the old one')

    def refuse(draft: Path) -> None:
        assert onnx.load(str(draft)).graph.input[0].name == 'frame'
        raise ValueError('not good enough')

    with pytest.raises(ValueError, match='not good enough'):
        export_step(network, frames('LSTM', batch=1)[:, 0], path, accept=refuse)
    assert path.read_text() == 'the old one' and list(path.parent.iterdir()) == [path]


def test_the_comparison_finds_weights_that_differ_and_values_that_are_none(
        cell: Tuple[nn.Module, Path]) -> None:
    network, path = cell
    x = frames('LSTM', batch=2)
    export_step(network, x[:, 0], path)
    same = compare_step(network, path, x.unbind(1))
    assert max(same) < 1e-6
    with torch.no_grad():
        network.input_unit.weight += 0.01
    other = compare_step(network, path, x.unbind(1))
    assert min(other) > 1e-3
    x[:, 3] = float('nan')
    assert all(value != value for value in compare_step(network, path, x.unbind(1)))


def test_a_state_comes_back_from_its_flat_form() -> None:
    state = (torch.zeros(1), (torch.zeros(2), torch.zeros(3)))
    flat = flatten_state(state)
    assert [len(leaf) for leaf in flat] == [1, 2, 3]
    back = unflatten_state(flat, state)
    assert back[0] is flat[0] and back[1][0] is flat[1] and back[1][1] is flat[2]


@pytest.mark.parametrize('package', ['onnx', 'onnxscript'])
def test_a_missing_package_is_named_with_the_pip_line(
        cell: Tuple[nn.Module, Path], package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # Python's own mark of what cannot be imported
    with pytest.raises(ImportError, match=f'{package} not installed.*: pip install onnx '):
        export_step(cell[0], frames('LSTM', batch=1)[:, 0], cell[1])


def test_a_convlstm_as_temporal_flow_keeps_both_its_states(tmp_path: Path) -> None:
    network = CBM(3, 4, temporal=ConvLSTM)
    x = frames('stack', batch=2, steps=5)
    export_step(network, x[:, 0], tmp_path / 'cbm.onnx')
    assert len(stream(tmp_path / 'cbm.onnx', x)[1]) == 2
    assert max(compare_step(network, tmp_path / 'cbm.onnx', x.unbind(1))) < 1e-5
