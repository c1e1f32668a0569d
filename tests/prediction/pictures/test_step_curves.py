"""Curves and tables show what the files say, and files of different tests are not mixed."""
import json
from pathlib import Path
from typing import List, Optional

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cbm_plugin.prediction.pictures.step_curves import (
    chosen_metrics,
    draw_step_curves,
    markdown_table,
    read_groups,
)


def write(path: Path, num_inputs: int = 10, sequences: int = 100, **curves: List[float]) -> Path:
    """A file as FramePredictionMetric writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    curves = curves or dict(psnr=[30., 20., 10.])
    path.write_text(json.dumps(dict(
        protocol='words', sequences=sequences, num_inputs=num_inputs, metrics=curves,
        means={name: float(np.mean(values)) for name, values in curves.items()})))
    return path


def unlabelled(*paths: Path) -> list:
    return [(None, path) for path in paths]


def test_files_are_called_after_their_folders_and_seeds_belong_together(tmp_path: Path) -> None:
    files = [write(tmp_path / name) for name in (
        'cbm/seed0/steps.json', 'cbm/seed1/steps.json', 'lstm/steps.json', 'base/copy.json',
        'base/mean.json')]
    groups = read_groups([*unlabelled(*files), ('lstm', write(tmp_path / 'x/y.json'))])
    assert {label: len(group) for label, group in groups.items()} == {
        'cbm': 2, 'lstm': 2, 'base/copy': 1, 'base/mean': 1}


@pytest.mark.parametrize('other, said', [
    (dict(num_inputs=5), '10 inputs, 100 sequences, 3 predicted steps.*5 inputs, 100 seq'),
    (dict(sequences=7), '100 sequences.* 7 sequences'),
    (dict(psnr=[1., 2.]), '3 predicted steps.* 2 predicted steps')])
def test_files_of_different_protocols_are_refused_by_name_unless_forced(
        tmp_path: Path, other: dict, said: str) -> None:
    files = unlabelled(write(tmp_path / 'a/s.json'), write(tmp_path / 'b/s.json', **other))
    with pytest.raises(ValueError, match=f'a/s.json has .*b/s.json.*{said[-9:]}') as error:
        read_groups(files)
    assert all(part in str(error.value) for part in said.split('.*'))
    assert list(read_groups(files, force=True)) == ['a', 'b']


def test_seeds_of_one_model_must_have_the_same_steps_and_metrics_even_if_forced(
        tmp_path: Path) -> None:
    first = write(tmp_path / 'a/seed0/s.json')
    for curves, said in ((dict(psnr=[1., 2.]), '3 predicted steps, but .* 2 predicted'),
                         (dict(ssim=[1., 2., 3.]), r"\['ssim'\], but .*same model, \['psnr'\]")):
        with pytest.raises(ValueError, match=said):
            read_groups(unlabelled(first, write(tmp_path / 'a/seed1/s.json', **curves)), force=True)


@pytest.mark.parametrize('text', [None, '{', '[]', '{"metrics": {"psnr": [1]}}',
                                  '{"num_inputs": 1, "sequences": 1, "metrics": {}}',
                                  '{"num_inputs": 1, "sequences": 1, "metrics": {"a": [1], '
                                  '"b": [1, 2]}}'])
def test_what_is_no_file_of_the_metric_is_named_with_the_remedy(tmp_path: Path,
                                                                text: Optional[str]) -> None:
    if text is not None:
        (tmp_path / 's.json').write_text(text)
    with pytest.raises(ValueError, match=r's.json is no file of FramePredictionMetric .*out_file'):
        read_groups(unlabelled(tmp_path / 's.json'))


def test_metrics_that_all_files_have_are_shown_and_others_refused(tmp_path: Path) -> None:
    groups = read_groups(unlabelled(
        write(tmp_path / 'a/s.json', ssim=[1.], mse=[2.], psnr=[3.]),
        write(tmp_path / 'b/s.json', psnr=[1.], ssim=[2.])))
    assert chosen_metrics(groups) == ['ssim', 'psnr']
    assert chosen_metrics(groups, ['psnr']) == ['psnr']
    with pytest.raises(ValueError, match="b/s.json has no metric 'mse', but"):
        chosen_metrics(groups, ['psnr', 'mse'])
    write(tmp_path / 'c/s.json', lpips=[1.])
    with pytest.raises(ValueError, match='no metric in common'):
        chosen_metrics(read_groups(unlabelled(tmp_path / 'a/s.json', tmp_path / 'c/s.json')))


def test_the_table_has_means_named_steps_and_deviations_over_seeds(tmp_path: Path) -> None:
    curve = np.linspace(30, 20, 12).tolist()
    files = [write(tmp_path / 'cbm/seed0/s.json', psnr=curve, ssim=[0.8] * 12),
             write(tmp_path / 'cbm/seed1/s.json', psnr=[v + 2 for v in curve], ssim=[0.9] * 12),
             write(tmp_path / 'copy/s.json', psnr=[0.] * 9, ssim=[0.01234] * 9)]
    lines = markdown_table(read_groups(unlabelled(*files), force=True)).splitlines()
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    t10 = (curve[9] + curve[9] + 2) / 2
    assert cells[0] == ['model', 'seeds', 'psnr', 'psnr T1', 'psnr T10', 'ssim', 'ssim T1',
                        'ssim T10']
    # two seeds that differ by d deviate by d / sqrt(2)
    assert cells[2] == ['cbm', '2', '26.00 ± 1.41', '31.00 ± 1.41', f'{t10:.2f} ± 1.41',
                        '0.8500 ± 0.0707', '0.8500 ± 0.0707', '0.8500 ± 0.0707']
    assert cells[3] == ['copy', '1', '0.000', '0.000', '–', '0.01234', '0.01234', '–']


def test_a_line_is_the_mean_of_its_seeds_and_the_band_one_deviation(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, save = [], Figure.savefig
    monkeypatch.setattr(Figure, 'savefig', lambda self, *args, **options: (
        kept.append(self), save(self, *args, **options)))
    groups = read_groups(unlabelled(
        write(tmp_path / 'cbm/seed0/s.json', psnr=[30., 20.], ssim=[1., 1.]),
        write(tmp_path / 'cbm/seed1/s.json', psnr=[34., 20.], ssim=[1., 1.]),
        write(tmp_path / 'copy/s.json', psnr=[25., 5.], ssim=[0.5, 0.1])))
    draw_step_curves(groups, tmp_path / 'made/curves.png')
    assert [path.name for path in (tmp_path / 'made').iterdir()] == ['curves.png']
    assert np.asarray(Image.open(tmp_path / 'made/curves.png')).std() > 5
    psnr, ssim = kept[0].axes
    lines = {line.get_label(): line for line in psnr.get_lines()}
    assert list(lines) == ['cbm (26.00 ± 1.41)', 'copy (15.00)']
    assert [line.get_ydata().tolist() for line in lines.values()] == [[32, 20], [25, 5]]
    assert list(lines['copy (15.00)'].get_xdata()) == [1, 2]
    band = np.concatenate([part.get_paths()[0].vertices for part in psnr.collections])
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((20, 32 + 8 ** 0.5))
    assert ssim.get_title() == 'SSIM (higher is better)' and len(ssim.get_lines()) == 2
