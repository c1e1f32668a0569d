"""A recognizer's step from the command line to onnxruntime."""
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Callable, List, Tuple

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from onnxruntime import InferenceSession
from torch import Tensor

import cbm_plugin.recognition  # noqa: F401  (registers everything)
from cbm_plugin.registry import MODELS

from ..faults.loading import ATTACKS, checkpoint
from ..tiny_run import ROOT

BLOCKS = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/deployment.md').read_text(), re.DOTALL)
TOOL = ROOT / 'tools/deployment/export_onnx_step.py'
CONFIG = """
default_scope = 'mmaction'
custom_imports = dict(imports=['cbm_plugin.recognition'])
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(type='SequencePreprocessor', mean=[100, 120, 140], std=[50, 60, 70]),
    backbone=dict(type='SmallConvNet', channels=(4,), strides=(2,)),
    neck=dict(type='RecurrentNeck', in_channels=4, hidden_channels=[4, 4], shortcuts=2,
              pool_after=2),
    cls_head=dict(type='RecurrentHead', num_classes=3, in_channels=4, init_std=2.0, topk=1))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='DecordInit'),
    dict(type='Resize', scale=(16, 12), keep_ratio=False),  # width, height
    dict(type='FormatShape', input_format='NCHW')]))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config, and a checkpoint of its model."""
    made = tmp_path_factory.mktemp('export')
    (made / 'tiny.py').write_text(CONFIG)
    torch.manual_seed(0)
    torch.save(dict(meta={}, state_dict=model(made).state_dict()), made / 'tiny.pth')
    return made


def model(folder: Path) -> torch.nn.Module:
    init_default_scope('mmaction')
    built = MODELS.build(Config.fromfile(folder / 'tiny.py').model)
    built.cls_head.init_weights()
    return built


def refusal(folder: Path, capsys: pytest.CaptureFixture, *argv: object,
            checkpoint: str = 'tiny.pth') -> str:
    """The one line with which the tool ends."""
    main: Callable[[List[str]], None] = runpy.run_path(str(TOOL))['main']
    with pytest.raises(SystemExit) as end:
        main([str(folder / 'tiny.py'), str(folder / checkpoint), str(folder / 'refused.onnx'),
              *map(str, argv)])
    assert end.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope='module')
def printed(folder: Path) -> str:
    """What the tool says while it writes OUT.onnx, started as a user starts it."""
    done = subprocess.run(
        [sys.executable, TOOL, 'tiny.py', 'tiny.pth', 'OUT.onnx', '--check-steps', '50'],
        cwd=folder, env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope='module')
def scored(folder: Path) -> Tuple[Tensor, Tensor]:
    """Two videos, uint8, and the recognizer's scores of each frame ``(N, T, K)``."""
    recognizer = model(folder).eval()
    recognizer.load_state_dict(torch.load(folder / 'tiny.pth')['state_dict'])
    videos = torch.randint(0, 256, (2, 50, 3, 12, 16), dtype=torch.uint8)
    with torch.no_grad():
        scores = recognizer.extract_feat(videos, stage='head')[0].softmax(-1)
    assert scores.std(1).max() > 0.01  # they have something to say
    return videos, scores


def test_it_says_what_goes_in_how_exact_it_is_and_where_the_file_is(printed: str) -> None:
    assert 'frame (N, 3, 12, 16), any N' in printed and '50/50' in printed
    assert 'largest difference: ' in printed and 'wrote OUT.onnx' in printed


def test_the_file_scores_raw_frames_as_the_recognizer_scores_the_videos(
        folder: Path, printed: str, scored: Tuple[Tensor, Tensor]) -> None:
    videos, expected = scored
    session = InferenceSession(str(folder / 'OUT.onnx'))
    names = [node.name for node in session.get_inputs()]
    states = [torch.zeros(2, *node.shape[1:]).numpy() for node in session.get_inputs()[1:]]
    for t in range(50):
        feed = dict(zip(names, [videos[:, t].float().numpy(), *states]))
        scores, *states = session.run(None, feed)
        torch.testing.assert_close(torch.from_numpy(scores), expected[:, t])


def test_the_loop_of_the_docs_streams_a_video(
        folder: Path, printed: str, scored: Tuple[Tensor, Tensor],
        monkeypatch: pytest.MonkeyPatch) -> None:
    loop, = (block for block in BLOCKS if 'InferenceSession' in block)
    monkeypatch.chdir(folder)
    names = dict(frames=scored[0][:1].transpose(0, 1).numpy())
    exec(loop, names)
    torch.testing.assert_close(torch.from_numpy(names['scores']), scored[1][:1, -1])


def test_the_layers_of_the_docs_are_exported_and_compared(
        tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    block, = (block for block in BLOCKS if 'export_step' in block)
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    assert (tmp_path / 'step.onnx').is_file()
    assert capsys.readouterr().out.startswith('Differences(output=')


def test_a_difference_beyond_the_tolerance_leaves_the_old_file(
        folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / 'refused.onnx').write_text('the old one')
    message = refusal(folder, capsys, '--tolerance', 0, '--batch', 2, '--check-steps', 5)
    assert 'more than --tolerance 0.0e+00' in message and 'was not written' in message
    assert (folder / 'refused.onnx').read_text() == 'the old one'
    assert not list(folder.glob('.*'))


@pytest.mark.parametrize('options, said', [
    (['model.type=Recognizer2D', 'model.cls_head.type=TSNHead', 'model.neck=None',
      'model.data_preprocessor.type=ActionDataPreprocessor'],
     "model.type is 'Recognizer2D', but only a RecurrentRecognizer has a step"),
    (['model.neck=None'], 'the recognizer has no neck, so no state goes from frame to frame'),
    (['model.neck.hidden_channels=[4,5]', 'model.cls_head.in_channels=5'],
     'tiny.pth does not fit'),
    (['model.neck.hidden_channels=[4,4,4]'], 'tiny.pth does not fit'),
    (['test_dataloader.dataset.pipeline.1.keep_ratio=True'], 'give --size H W'),
], ids=['another recognizer', 'no neck', 'other widths', 'missing weights', 'no frame size'])
def test_what_cannot_be_exported_is_refused_with_the_reason(
        folder: Path, capsys: pytest.CaptureFixture, options: List[str], said: str) -> None:
    assert said in refusal(folder, capsys, '--cfg-options', *options)


def test_a_missing_checkpoint_is_named(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert 'there is no checkpoint' in refusal(folder, capsys, checkpoint='none.pth')


def test_a_checkpoint_that_would_run_something_is_refused(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    checkpoint(ATTACKS['os.system'](str(tmp_path / 'ran')), folder / 'crafted.pth')
    assert f'crafted.pth is refused: it asks for {os.system.__module__}.system' in refusal(
        folder, capsys, checkpoint='crafted.pth')
    assert not (tmp_path / 'ran').exists()


def test_a_missing_onnxruntime_is_named_with_the_pip_line(
        folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    assert refusal(folder, capsys).endswith('pip install onnx onnxscript onnxruntime')


def test_no_step_to_check_is_refused(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert 'must be at least 1' in refusal(folder, capsys, '--check-steps', 0)
