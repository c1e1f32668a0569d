"""The benchmark of outlines: both sides do the same work, and what is written. Not how fast."""
import json
import statistics
import sys
from pathlib import Path

import pytest
import torch

from ..polygon.decoding_models import tiny_features, tiny_model

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'analysis_tools'))

import benchmark_polygon as benchmark  # noqa: E402


@pytest.mark.parametrize('beam_width', [1, 3])
def test_the_twin_without_memory_draws_the_same_outlines_of_the_length_asked_for(
        beam_width: int) -> None:
    model = tiny_model(grid_size=14, sharpness=8.)
    features = tiny_features(model, 3)
    with torch.no_grad():
        found = [benchmark.cells_of(kind(model, 20), features, beam_width, 20)
                 for kind in (benchmark.Circling, benchmark.Prefix)]
    assert found[0] == found[1]
    assert len(set(map(tuple, found[0]))) == 3  # each its own


def test_sides_that_differ_end_the_benchmark(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        benchmark.in_turns(dict(one=lambda: [1], other=lambda: [2]), 1)
    assert 'one and other gave different outlines' in capsys.readouterr().err


def test_figures_are_written_with_what_they_depend_on_and_put_into_a_page(
        tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{benchmark.BEGIN}\nold\n{benchmark.END}\nafter\n')
    benchmark.main(['--quick', '--json', str(tmp_path / 'out.json'), '--markdown', str(page)])
    report = json.loads((tmp_path / 'out.json').read_text())
    assert report['command'].endswith('--model light --quick')
    assert report['machine']['cores'] >= 1
    assert len(report['rows']) == 8
    batch = next(row for row in report['rows'] if 'in one batch' in row['what'])
    single, together = (statistics.median(values) for values in batch['seconds'].values())
    assert batch['value'] == pytest.approx(single / together)
    text = page.read_text()
    assert text.startswith('before\n') and text.endswith('after\n') and 'old' not in text
    assert f'| {batch["what"]} |' in text
    assert batch['what'] in capsys.readouterr().out


def test_a_page_without_a_place_for_the_table_is_refused_before_anything_runs(
        tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'page.md').write_text('nothing\n')
    with pytest.raises(SystemExit):
        benchmark.parse_args(['--markdown', str(tmp_path / 'page.md')])
    assert 'needs these two lines' in capsys.readouterr().err
