"""The benchmark of streaming: that both do the same work, and what is written. Never how fast."""
import json
import statistics
import sys
from itertools import islice
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest
import torch

from cbm_plugin.recognition import StreamRecognizer

from ..tiny import tiny_recognizer
from ..tiny_run import DEFAULT

TOOLS = Path(__file__).parents[2] / 'tools' / 'analysis_tools'
sys.path.insert(0, str(TOOLS))

import benchmark_streaming as benchmark  # noqa: E402

PLAIN = [dict(type='Resize', scale=(16, 12), keep_ratio=False),
         dict(type='FormatShape', input_format='NCHW')]


def test_figures_of_a_config_are_written_with_what_they_depend_on(
        tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    benchmark.main([str(write_small(tmp_path)), '--rounds', '2', '--frames', '20', '--window', '3',
                    '--json', str(tmp_path / 'out.json')])
    report = json.loads((tmp_path / 'out.json').read_text())
    medians = report['seconds_median']
    assert {name: len(values) for name, values in report['seconds'].items()} == \
        dict(stream=2, window=2)
    assert medians['stream'] == statistics.median(report['seconds']['stream'])
    assert report['ratio'] == pytest.approx(medians['window'] / medians['stream'])
    assert report['memory']['frames'][-1] == 20 and report['memory']['bytes'][0] > 1e6
    assert report['settings']['window'] == 3 and report['machine']['cores'] >= 1
    assert 'times as fast (medians of 2 rounds)' in capsys.readouterr().out


def write_small(folder: Path) -> Path:
    """The default config with smaller frames."""
    (folder / 'small.py').write_text(f"""
_base_ = {str(DEFAULT)!r}
pipeline = [
    dict(type='DecordInit'), dict(type='SampleSequence'), dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCHW'), dict(type='PackActionInputs')]
test_dataloader = dict(dataset=dict(pipeline=pipeline))
""")
    return folder / 'small.py'


def test_a_window_as_long_as_the_video_gives_the_scores_of_the_stream() -> None:
    stream = StreamRecognizer(tiny_recognizer(), PLAIN)
    window = benchmark.Window(stream, 9)
    for frame in islice(benchmark.camera(), 9):
        torch.testing.assert_close(window(frame)[0], stream(frame), rtol=0, atol=1e-6)


def test_a_leak_of_a_megabyte_a_frame_is_seen() -> None:
    kept = []

    class Leaking(StreamRecognizer):
        def __call__(self, frame: np.ndarray) -> torch.Tensor:
            kept.append(mmap(-1, 1_000_000))  # the kernel's: no free heap hides it
            kept[-1].write(bytes([1]) * 1_000_000)
            return super().__call__(frame)

    def growth(kind: type) -> float:
        seen, used = benchmark.watch_memory(kind(tiny_recognizer(), PLAIN), 300)
        return float(np.polyfit(seen[5:], used[5:], 1)[0])

    assert growth(Leaking) > 800_000
    assert growth(StreamRecognizer) < 200_000


def test_the_state_is_counted_in_bytes() -> None:
    stream = StreamRecognizer(tiny_recognizer(), PLAIN)
    assert benchmark.state_bytes(stream) == 0
    stream(next(benchmark.camera()))
    assert benchmark.state_bytes(stream) == 2 * 4 * 6 * 8 * 4  # layers, channels, map, float32


@pytest.mark.parametrize('argv, said', [
    (['--window', '0'], '--window is 0, but must be at least 1'),
    (['--rounds', '0'], '--rounds is 0, but must be at least 1'),
    (['--frames', '5'], '--frames is 5, but must be at least 20'),
    (['--json', 'none/x.json'], 'the folder of none/x.json does not exist'),
    (['none.py'], 'there is no config file none.py'),
], ids=lambda value: value[0] if isinstance(value, list) else '')
def test_mistakes_are_told_before_anything_is_measured(
        capsys: pytest.CaptureFixture, argv: list, said: str) -> None:
    with pytest.raises(SystemExit) as end:
        benchmark.main(argv)
    assert end.value.code == 2 and said in capsys.readouterr().err
