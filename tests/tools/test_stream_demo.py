"""The demo from the command line: a video in, a video with the scores out."""
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Iterator, List

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from cbm_plugin.recognition.streaming import StreamRecognizer, build_model
from cbm_plugin.synthetic.video import write_mp4

from ..tiny_run import ROOT

TOOL = ROOT / 'tools/demo/stream_demo.py'
sys.path.insert(0, str(TOOL.parent))

import stream_demo  # noqa: E402
from stream_parts.panel import MIN_WIDTH, ROW, Panel  # noqa: E402
from stream_parts.video_file import VideoFile, VideoFileError  # noqa: E402

CONFIG = """
default_scope = 'mmaction'
custom_imports = dict(imports=['cbm_plugin.recognition'])
model = dict(
    type='RecurrentRecognizer',
    data_preprocessor=dict(type='SequencePreprocessor', mean=[127] * 3, std=[60] * 3),
    backbone=dict(type='SmallConvNet', channels=(4,), strides=(2,)),
    neck=dict(type='RecurrentNeck', in_channels=4, hidden_channels=[4, 4]),
    cls_head=dict(type='RecurrentHead', num_classes=8, in_channels=4, init_std=2.0, topk=1))
test_dataloader = dict(dataset=dict(type='MotionClips', pipeline=[
    dict(type='DecordInit'),
    dict(type='SampleSequence'),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(16, 12), keep_ratio=False),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs')]))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config, a checkpoint of its model as MMEngine writes it, and a video of 25 frames."""
    made = tmp_path_factory.mktemp('demo')
    (made / 'tiny.py').write_text(CONFIG)
    torch.manual_seed(0)
    model = build_model(Config.fromfile(made / 'tiny.py'))
    torch.save(dict(meta=dict(experiment_name='tiny_20260101_120000'),
                    state_dict=model.state_dict()), made / 'tiny.pth')
    write_mp4(made / 'video.mp4', noise(25), fps=12)
    return made


def noise(frames: int, height: int = 30, width: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)


def run(folder: Path, *argv: object, video: object = 'video.mp4',
        checkpoint: str = 'tiny.pth') -> None:
    name = str(video)
    place = name if name.isdigit() or '://' in name else str(folder / name)
    stream_demo.main([place, str(folder / 'tiny.py'), str(folder / checkpoint), *map(str, argv)])


def refusal(folder: Path, capsys: pytest.CaptureFixture, *argv: object, code: int = 2,
            **options: object) -> str:
    """The line with which the tool ends."""
    with pytest.raises(SystemExit) as end:
        run(folder, *argv, **options)
    assert end.value.code == code
    return capsys.readouterr().err.strip().splitlines()[-1]


def frames_of(video: Path) -> List[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(video)), []
    there, frame = capture.read()
    while there:
        frames.append(frame)
        there, frame = capture.read()
    return frames


@pytest.mark.parametrize('name', ['out.mp4', 'out.avi'])
def test_the_video_written_has_as_many_frames_with_a_panel_below(
        folder: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    run(folder, '--out', folder / name, '--topk', 3)
    frames = frames_of(folder / name)
    assert len(frames) == 25 and frames[0].shape == (30 + 3 * ROW, MIN_WIDTH, 3)
    original = frames_of(folder / 'video.mp4')[7].astype(int)
    left = (MIN_WIDTH - 40) // 2
    assert np.abs(frames[7][:30, left:left + 40].astype(int) - original).mean() < 20
    assert frames[24][30:].mean() > frames[0][30:].mean()  # the timeline has grown
    printed = capsys.readouterr().out
    assert re.search(r'^25 frames in [\d.]+ s: [\d.]+ frames/s$', printed, re.MULTILINE)
    assert printed.rstrip().endswith(f'wrote {folder / name}')


def test_the_scores_printed_are_those_of_the_stream_with_the_data_sets_names(
        folder: Path, capsys: pytest.CaptureFixture) -> None:
    run(folder, '--topk', 8)
    stream = StreamRecognizer.from_config(folder / 'tiny.py', folder / 'tiny.pth',
                                          channel_order='bgr')
    for frame in frames_of(folder / 'video.mp4'):
        scores = stream(frame)
    rows = re.findall(r'^  (\d\.\d{4})  (\w.*)$', capsys.readouterr().out, re.MULTILINE)
    expected = [f'{score:.4f}' for score in scores.sort(descending=True).values.tolist()]
    assert [score for score, _ in rows] == expected
    assert not any(name.startswith('class ') for _, name in rows)


def test_labels_of_a_file_are_shown_and_an_interval_is_kept(
        folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / 'names.txt').write_text('\n'.join(f'action {k}' for k in range(8)) + '\n')
    run(folder, '--labels', folder / 'names.txt', '--interval', 5, '--topk', 1, '--window', 2)
    assert re.search(r'  \d\.\d{4}  action \d', capsys.readouterr().out)


@pytest.mark.parametrize('argv, options, said', [
    ([], dict(video='none.mp4'), 'there is no video'),
    ([], dict(video='tiny.py'), 'cannot be read as a video: it is damaged'),
    ([], dict(video='77'), 'camera 77 cannot be opened: is it connected'),
    ([], dict(video='http://127.0.0.1:9/x'), 'cannot be opened: check address'),
    ([], dict(checkpoint='none.pth'), 'there is no checkpoint'),
    ([], dict(checkpoint='video.mp4'), 'cannot be read as a checkpoint'),
    (['--labels', 'none.txt'], {}, 'there is no file none.txt with the names of the classes'),
    (['--labels', __file__], {}, 'but the model has 8: give one name a line'),
    (['--out', 'x.gif'], {}, 'x.gif: use a name that ends with .mp4 or .avi'),
    (['--out', 'none/x.mp4'], {}, 'the folder of none/x.mp4 does not exist'),
    (['--topk', 0], {}, '--topk is 0, but must be at least 1'),
    (['--interval', 0], {}, 'frame_interval is 0, but must be at least 1'),
    (['--window', 0], {}, 'window is 0, but must be at least 1'),
    (['--cfg-options', 'model.backbone.depth=3'], {}, 'has no option'),
    (['--cfg-options', 'test_dataloader.dataset.pipeline.3.type=AddMotionChannels'], {},
     'AddMotionChannels of the test pipeline cannot run on a stream'),
], ids=lambda value: ' '.join(map(str, value))[-30:] if isinstance(value, list) else '')
def test_mistakes_are_told_in_one_line(folder: Path, capsys: pytest.CaptureFixture, argv: List,
                                       options: dict, said: str) -> None:
    assert said in refusal(folder, capsys, *argv, **options)


def test_the_video_itself_is_never_written_over(folder: Path,
                                                capsys: pytest.CaptureFixture) -> None:
    assert 'the video itself' in refusal(folder, capsys, '--out', folder / 'video.mp4')


def test_a_window_without_a_display_is_refused(folder: Path, capsys: pytest.CaptureFixture,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'platform', 'linux')
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    assert '--show needs a display' in refusal(folder, capsys, '--show')


def test_a_checkpoint_of_another_architecture_is_refused_with_keys_and_config(
        folder: Path, capsys: pytest.CaptureFixture) -> None:
    message = refusal(folder, capsys, '--cfg-options', 'model.neck.hidden_channels=[4,4,4]')
    assert 'keys missing in the file: neck.rnn.layers.2.' in message
    assert 'of another architecture' in message


def test_a_file_that_is_cut_off_is_scored_as_far_as_it_goes_with_a_warning(
        folder: Path, capsys: pytest.CaptureFixture) -> None:
    run(folder, '--out', folder / 'whole.avi')
    data = (folder / 'whole.avi').read_bytes()
    (folder / 'cut.avi').write_bytes(data[:len(data) // 2])
    capsys.readouterr()
    run(folder, video='cut.avi')
    printed = capsys.readouterr()
    assert 0 < int(printed.out.split()[0]) < 25
    assert 'promises 25 frames: the file may be cut off' in printed.err


class Camera(BaseHTTPRequestHandler):
    """An IP camera that sends six pictures as MJPEG, and then goes away."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        self.end_headers()
        for frame in noise(6):
            picture = cv2.imencode('.jpg', frame)[1].tobytes()
            self.wfile.write(b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: '
                             b'%d\r\n\r\n%s\r\n' % (len(picture), picture))

    def log_message(self, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def camera() -> Iterator[str]:
    """The address of a network camera."""
    server = HTTPServer(('127.0.0.1', 0), Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/video.mjpg'
    server.shutdown()
    server.server_close()


def test_a_camera_that_stops_is_told_and_what_was_written_is_kept(
        folder: Path, capsys: pytest.CaptureFixture, camera: str) -> None:
    message = refusal(folder, capsys, '--out', folder / 'camera.mp4', video=camera)
    told = re.search(r'the stream http.* stopped after (\d) frames: check its cable', message)
    assert told and len(frames_of(folder / 'camera.mp4')) == int(told[1]) > 0


def test_ctrl_c_leaves_a_finished_video(folder: Path) -> None:
    write_mp4(folder / 'long.mp4', noise(1500), fps=30)
    process = subprocess.Popen(
        [sys.executable, TOOL, 'long.mp4', 'tiny.py', 'tiny.pth', '--out', 'stopped.mp4'],
        cwd=folder, env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # a shell's background job, as these tests may be, hands on an interrupt that is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while process.poll() is None and not list(folder.glob('.stopped*')):
        time.sleep(0.02)  # until it has begun to write
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    count = int(re.search(r'interrupted after (\d+) frames', err)[1])
    # the signal may fall between reading a frame and writing it
    assert 0 <= count - len(frames_of(folder / 'stopped.mp4')) <= 1 and count < 1500
    assert not list(folder.glob('.stopped*')) and 'wrote stopped.mp4' in out


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / 'out.mp4').write_text('the old one')
    with pytest.raises(VideoFileError, match='the source changed its size'):
        with VideoFile(tmp_path / 'out.mp4', 10) as out:
            out.write(noise(1)[0])
            out.write(noise(1, 32, 40)[0])
    assert [path.read_text() for path in tmp_path.iterdir()] == ['the old one']


def test_the_panel_remembers_a_bounded_past() -> None:
    panel = Panel([f'{k}' for k in range(4)], 9, span=0)
    for _ in range(320):
        picture = panel.draw(np.zeros((5, 601, 3), np.uint8), np.array([0.1, 0.2, 0.3, 0.4]))
    assert picture.shape == (6 + 4 * ROW, 602, 3) and len(panel.history) == 300
