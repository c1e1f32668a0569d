"""The benchmark of the data path: what it compares and writes. Never how fast."""
import json
import sys
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

from ..tiny_run import ROOT

sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))

import benchmark_data  # noqa: E402
from data_benchmark.contenders import SAMPLERS, plan_of, way_of  # noqa: E402
from data_benchmark.videos import make_videos  # noqa: E402


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    folder = tmp_path_factory.mktemp('benchmark')
    begin, end = benchmark_data.MARKERS
    (folder / 'page.md').write_text(f'before\n{begin}\nan old table\n{end}\nafter\n')
    benchmark_data.main(['--quick', '--json', str(folder / 'data.json'),
                         '--markdown', str(folder / 'page.md')])
    return dict(report=json.loads((folder / 'data.json').read_text()),
                page=(folder / 'page.md').read_text(), files=sorted(p.name for p in
                                                                    folder.iterdir()))


def test_every_way_is_measured_with_every_sampler(written: Dict[str, Any]) -> None:
    rows = written['report']['rows']
    assert {(row['sampler'], row['way']) for row in rows} == {
        (sampler, way) for sampler in SAMPLERS for way in benchmark_data.WAYS}
    assert all(len(row['seconds']) == 2 and row['videos_per_second'] > 0 for row in rows)


def test_ratios_are_those_of_the_rounds_they_come_from(written: Dict[str, Any]) -> None:
    seconds = {(row['sampler'], row['way']): row['seconds'] for row in written['report']['rows']}
    ratios = written['report']['ratios']
    assert len(ratios) == len(SAMPLERS) * len(benchmark_data.RATIOS)
    for row in ratios:
        fast, slow = row['ratio'].split(' / ')
        own = [b / a for a, b in zip(seconds[row['sampler'], fast], seconds[row['sampler'], slow])]
        assert row['median'] == pytest.approx(sum(own) / 2)
        assert (row['min'], row['max']) == (pytest.approx(min(own)), pytest.approx(max(own)))


def test_the_tables_stand_between_the_comments_of_a_page(written: Dict[str, Any]) -> None:
    assert written['page'].startswith('before\n') and written['page'].endswith('\nafter\n')
    assert 'an old table' not in written['page'] and '| random | fused |' in written['page']
    assert written['files'] == ['data.json', 'page.md']


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> list:
    return make_videos(tmp_path_factory.mktemp('videos'), 2, (96, 80), (55, 60))


@pytest.mark.parametrize('sampler', SAMPLERS)
def test_every_way_decodes_the_same_frames(sampler: str, videos: list) -> None:
    fused, separate, alone = (way_of(videos, way, sampler, (64, 64))[1]
                              for way in ('fused', 'separate', 'each clip'))
    assert np.array_equal(fused['inputs'].numpy(), separate['inputs'].numpy())
    plan = plan_of(videos[1], 1, sampler)['clip_plan']
    assert [len(clip['inputs']) for clip in alone] == [clip.length for clip in plan.clips]
    assert way_of(videos, 'decord', sampler, (64, 64))[1] == len(fused['inputs'])


def test_the_saved_frames_are_those_of_the_plans(videos: list) -> None:
    clips, union = benchmark_data.frames_wanted(videos, 'authors')
    plans = [plan_of(path, i, 'authors')['clip_plan'] for i, path in enumerate(videos)]
    assert clips == 2 * 7 * 10
    assert union == sum(len({p for clip in plan.clips for p in range(*clip)}) for plan in plans)


def test_what_would_fail_at_the_end_is_refused_at_the_start(
        tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for options in (['--json', str(tmp_path / 'none/data.json')], ['--videos', '0'],
                    ['--frames', '9', '3'], ['--size', '16', '16']):
        with pytest.raises(SystemExit):
            benchmark_data.parse_args(options)
        assert options[0] in capsys.readouterr().err or 'none/data.json' in options[1]
