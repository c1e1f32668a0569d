"""The demo predicts how a real video goes on, and says what is wrong in one line."""
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from cbm_plugin.engine.inference import build_unloaded
from cbm_plugin.synthetic.video import write_mp4
from cbm_plugin.video.windows import FrameFormat, read_frames

from ..faults.loading import ATTACKS, checkpoint
from ..tiny_run import ROOT

TOOL = ROOT / 'tools/demo/predict_demo.py'
sys.path.insert(0, str(TOOL.parent))

import predict_demo  # noqa: E402
from predict_parts.window import read_window  # noqa: E402

CONFIG = """
default_scope = 'mmaction'
custom_imports = dict(imports=['cbm_plugin.prediction'])
model = dict(
    type='VideoPredictor',
    network=dict(type='PatchNetwork', patch=4, hidden_channels=[4, 4], layer=dict(type='CBM')))
test_dataloader = dict(dataset=dict(
    type='VideoFrameFolder', num_inputs=3, num_outputs=4, size=16, stride=2,
    pipeline=[dict(type='PackFrames')]))
"""


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config, a checkpoint of its model, and a video of 20 frames."""
    folder = tmp_path_factory.mktemp('predict_demo')
    (folder / 'tiny.py').write_text(CONFIG)
    torch.manual_seed(0)
    model = build_unloaded(Config.fromfile(folder / 'tiny.py'))
    torch.save(dict(meta={}, state_dict=model.state_dict()), folder / 'tiny.pth')
    video = np.zeros((20, 40, 64, 3), np.uint8)
    for step in range(20):  # a square that wanders over a ramp
        video[step] = np.linspace(20, 120, 64)[None, :, None]
        video[step, 8:20, 2 * step:2 * step + 8] = (250, 180, 90)
    write_mp4(folder / 'walk.mp4', video)
    return folder


def run(made: Path, out: Path, *argv: Any, video: str = 'walk.mp4',
        checkpoint: str = 'tiny.pth') -> None:
    predict_demo.main([str(made / video), str(made / 'tiny.py'), str(made / checkpoint), '--out',
                       str(out), '--device', 'cpu', *map(str, argv)])


def printed(text: str) -> Dict[str, List[float]]:
    """The table's rows."""
    return {row[0]: [float(value) for value in row[1:]] for row in re.findall(
        r'^(T\d+|mean) +(\S+) +(\S+) +(\S+) +(\S+)$', text, re.MULTILINE)}


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return -10 * np.log10(np.mean((one.astype(float) - other) ** 2) / 255 ** 2)


def test_the_command_writes_pictures_and_measures_against_the_video(made: Path,
                                                                    tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TOOL, 'walk.mp4', 'tiny.py', 'tiny.pth', '--out', tmp_path / 'out'],
        cwd=made, capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert done.returncode == 0, done.stderr
    strips, animation = tmp_path / 'out/walk_strips.png', tmp_path / 'out/walk.gif'
    assert done.stdout.rstrip().endswith(f'wrote {strips} and {animation}')
    with Image.open(animation) as gif:
        assert gif.n_frames == 3 + 4
    assert np.asarray(Image.open(strips)).std() > 5
    rows = printed(done.stdout)
    assert list(rows) == ['T1', 'T2', 'T3', 'T4', 'mean']
    np.testing.assert_allclose(rows['mean'], np.mean([rows[f'T{n}'] for n in (1, 2, 3, 4)], 0),
                               atol=0.01)
    frames = read_frames(str(made / 'walk.mp4'), range(0, 14, 2), FrameFormat(16))
    for step in (1, 4):
        assert rows[f'T{step}'][2] == pytest.approx(psnr(frames[2 + step], frames[2]), abs=0.01)


def test_beyond_the_end_of_the_video_frames_are_predicted_without_truth(
        made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run(made, tmp_path, '--start', 5, '--stride', 1, '--num-inputs', 12, '--num-outputs', 6)
    out = capsys.readouterr().out
    assert list(printed(out)) == ['T1', 'T2', 'T3', 'mean']
    assert 'the video ends here: T4 to T6 are predicted without truth' in out
    with Image.open(tmp_path / 'walk.gif') as gif:
        assert gif.n_frames == 12 + 6
    run(made, tmp_path / 'none', '--start', 8, '--stride', 1, '--num-inputs', 12)
    assert 'nothing to compare 4 predicted frames with' in capsys.readouterr().out
    assert Image.open(tmp_path / 'none/walk_strips.png').height < Image.open(
        tmp_path / 'walk_strips.png').height


@pytest.mark.parametrize('dataset, shape, numbers', [
    (dict(type='MovingShapes', split='test', num_sequences=3, size=20, colour=True, num_inputs=2,
          num_outputs=1), (3, 3, 20, 20), (2, 1)),
    (dict(type='KTHActions', test_mode=True), (20, 1, 128, 128), (10, 20)),
    (dict(type='RepeatDataset', times=2, dataset=dict(
        type='VideoFrameFolder', size=(8, 12), colour='rgb', num_inputs=1)), (11, 3, 8, 12),
     (1, 10))])
def test_frames_are_as_the_data_set_of_the_config_has_them(
        made: Path, dataset: dict, shape: tuple, numbers: tuple) -> None:
    cfg = Config.fromfile(made / 'tiny.py')
    inner = dataset.get('dataset', dataset)
    inner['pipeline'] = [dict(type='PackFrames')]
    cfg.test_dataloader = dict(dataset=dataset)
    window = read_window(str(made / 'walk.mp4'), cfg, start=0)
    assert tuple(window.packed['inputs'].shape) == shape
    assert (window.num_inputs, window.num_outputs) == numbers


@pytest.mark.parametrize('argv, options, said', [
    ([], dict(video='none.mp4'), 'none.mp4 does not exist'),
    ([], dict(video='tiny.py'), 'cannot be opened as a video'),
    ([], dict(checkpoint='none.pth'), 'there is no checkpoint'),
    ([], dict(checkpoint='walk.mp4'), 'cannot be read as a checkpoint'),
    (['--num-inputs', 11], {}, 'has 20 frames, but 11 inputs at stride 2 from frame 0 on need 21'),
    (['--start', 19], {}, 'from frame 19 on need 24: use a smaller'),
    (['--start', -1], {}, '--start is -1, but must be at least 0'),
    (['--num-outputs', 0], {}, '--num-outputs is 0, but must be at least 1'),
    (['--fps', 0], {}, '--fps is 0.0, but must be above 0'),
    (['--cfg-options', 'model.network.hidden_channels=[4,4,4]'], {}, 'of another architecture'),
    (['--cfg-options', 'model.network.width=4'], {}, "has no option 'width'"),
    (['--cfg-options', 'model.type=VideoPredicter'], {}, 'did you mean VideoPredictor'),
    (['--cfg-options', 'test_dataloader.dataset.size=18'], {}, 'multiple of 4'),
    (['--cfg-options', 'test_dataloader.dataset.colour=rgb'], {}, 'frames of 1 channels'),
    (['--cfg-options', 'test_dataloader.dataset.pipeline=[]'], {}, 'has no test_dataloader.data'),
], ids=lambda value: ' '.join(map(str, value))[-30:] if isinstance(value, list) else '')
def test_mistakes_are_told_in_one_line_and_nothing_is_written(
        made: Path, tmp_path: Path, capsys: pytest.CaptureFixture, argv: List, options: dict,
        said: str) -> None:
    with pytest.raises(SystemExit) as end:
        run(made, tmp_path / 'out', *argv, **options)
    assert end.value.code == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_would_run_something_is_refused(
        made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    checkpoint(ATTACKS['os.system'](str(tmp_path / 'ran')), made / 'crafted.pth')
    with pytest.raises(SystemExit) as end:
        run(made, tmp_path / 'out', checkpoint='crafted.pth')
    said = capsys.readouterr().err
    assert end.value.code == 2 and not (tmp_path / 'ran').exists()
    assert f'crafted.pth is refused: it asks for {os.system.__module__}.system' in said
