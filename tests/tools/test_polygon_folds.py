"""Cross-validation over images: every object is tested once, by a model that has not seen it."""
import json
import sys
from pathlib import Path

import pytest

from cbm_plugin.synthetic.shapes import make_shapes

from ..tiny_run import ROOT

sys.path.insert(0, str(ROOT / 'tools' / 'analysis_tools'))

import polygon_folds  # noqa: E402

CONFIG = f"""\
_base_ = '{ROOT}/configs/polygon/polygon-cbm15_scratch_1xb16-2clips-20e_coco-folder.py'
train_cfg = dict(max_epochs=1)
param_scheduler = []
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = test_dataloader
model = dict(rnn=dict(hidden_channels=[4, 4], shortcuts=None), feature_channels=4,
             backbone=dict(channels=(4, 4, 4, 4)), test_cfg=dict(max_vertices=6))
"""


@pytest.fixture(scope='module')
def ann_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(make_shapes(str(tmp_path_factory.mktemp('shapes')), 'train', 5, 0, 96))


def test_each_image_is_tested_in_one_fold_and_trained_on_in_the_others(ann_file: Path) -> None:
    content = json.loads(ann_file.read_text())
    folds = polygon_folds.parted(content, 3, seed=0)
    ids = [{part: {image['id'] for image in of['images']} for part, of in fold.items()}
           for fold in folds]
    everything = {image['id'] for image in content['images']}
    assert sorted(image for fold in ids for image in fold['test']) == sorted(everything)
    assert all(fold['train'] == everything - fold['test'] for fold in ids)
    for fold in folds:
        for part in fold.values():
            images = {image['id'] for image in part['images']}
            assert {one['image_id'] for one in part['annotations']} <= images
    assert sum(len(fold['test']['annotations']) for fold in folds) == len(content['annotations'])


def test_the_folds_are_a_function_of_the_seed(ann_file: Path) -> None:
    content = json.loads(ann_file.read_text())
    assert polygon_folds.parted(content, 3, 0) == polygon_folds.parted(content, 3, 0)
    assert polygon_folds.parted(content, 3, 0) != polygon_folds.parted(content, 3, 1)


@pytest.mark.parametrize('folds', [1, 6])
def test_an_impossible_number_of_folds_is_refused(folds: int, ann_file: Path) -> None:
    with pytest.raises(ValueError, match=f'--folds is {folds}, but must lie between 2 and .* 5'):
        polygon_folds.parted(json.loads(ann_file.read_text()), folds, 0)


def test_means_over_objects_and_over_classes_are_told_apart() -> None:
    scores = [dict(category=0, iou=0.5, boundary_f=0.1), dict(category=0, iou=0.7, boundary_f=0.1),
              dict(category=1, iou=0.9, boundary_f=0.4)]
    lines = polygon_folds.table(scores, ['date', 'fig']).splitlines()[2:]
    assert lines == ['| date | 2 | 60.0 | 10.0 |', '| fig | 1 | 90.0 | 40.0 |',
                     '| mean over objects | 3 | 70.0 | 20.0 |',
                     '| mean over classes | 3 | 75.0 | 25.0 |']


def test_all_objects_are_scored_and_finished_folds_are_not_run_again(
        ann_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = tmp_path / 'tiny.py'
    config.write_text(CONFIG)
    arguments = [str(config), str(ann_file), str(ann_file.parent), '--folds', '2', '--work-dir',
                 str(tmp_path / 'out')]
    polygon_folds.main(arguments)
    first = capsys.readouterr().out
    number = len({one['id'] for one in json.loads(ann_file.read_text())['annotations']})
    assert f'| mean over objects | {number} |' in first
    changed = [path.stat().st_mtime_ns for path in sorted((tmp_path / 'out').glob('fold*/*.json'))]
    polygon_folds.main(arguments)
    assert capsys.readouterr().out == first
    assert changed == [path.stat().st_mtime_ns
                       for path in sorted((tmp_path / 'out').glob('fold*/*.json'))]


def test_a_fold_that_fails_is_told_with_where_its_output_is(
        ann_file: Path, tmp_path: Path) -> None:
    config = tmp_path / 'wrong.py'
    config.write_text(CONFIG + "optim_wrapper = dict(type='Nothing')\n")
    with pytest.raises(SystemExit, match='fold0 failed: .*Nothing[^$]*output.txt'):
        polygon_folds.main([str(config), str(ann_file), str(ann_file.parent), '--folds', '2',
                            '--work-dir', str(tmp_path / 'out')])
