"""The tool draws and tabulates files of several runs, and says what is wrong in one line."""
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ..prediction.pictures.test_step_curves import write
from ..tiny_run import ROOT

TOOL = ROOT / 'tools/analysis_tools/plot_prediction_steps.py'
sys.path.insert(0, str(TOOL.parent))

import plot_prediction_steps  # noqa: E402


def refusal(capsys: pytest.CaptureFixture, *argv: Any) -> str:
    """The line with which the tool ends."""
    with pytest.raises(SystemExit) as end:
        plot_prediction_steps.main([str(word) for word in argv])
    assert end.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_the_picture_is_written_and_the_table_printed(
        tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        write(tmp_path / f'cbm/seed{seed}/steps.json', psnr=[30. + seed, 20.])
    write(tmp_path / 'a=b.json', psnr=[10., 5.])
    plot_prediction_steps.main([
        'cbm/seed0/steps.json', 'cbm/seed1/steps.json', 'last frame=cbm/seed0/steps.json',
        'a=b.json', '--table', '--out', 'curves.png', '--metrics', 'psnr'])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split('|')[1].strip() for line in lines[2:5]] == [
        'cbm', 'last frame', tmp_path.name]
    assert lines[2].split('|')[3].strip() == '25.25 ± 0.35'
    assert lines[-1] == 'wrote curves.png' and Image.open(tmp_path / 'curves.png').width > 400


def test_mistakes_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    good, other = write(tmp_path / 'a/s.json'), write(tmp_path / 'b/s.json', num_inputs=4)
    said = refusal(capsys, good, other, '--table')
    assert f'{good} has 10 inputs' in said and f'{other} 4 inputs' in said and '--force' in said
    assert 'give --out FILE.png' in refusal(capsys, good)
    assert 'must end with one of .png' in refusal(capsys, good, '--out', 'x.jpg')
    assert 'is no file of FramePredictionMetric' in refusal(capsys, tmp_path / 'none', '--table')
    assert "has no metric 'ssim'" in refusal(capsys, good, '--table', '--metrics', 'ssim')
    plot_prediction_steps.main([str(good), str(other), '--table', '--force'])
    assert '| b | 1 |' in capsys.readouterr().out
