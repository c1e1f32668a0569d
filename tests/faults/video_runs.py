"""Real runs on bad videos, in a process of their own, which a decoder may take down.

    python -m tests.faults.video_runs FOLDER

FOLDER holds the videos and the lists. Each run that has ended normally leaves FOLDER/<name>.done.
"""
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from cbm_plugin.registry import DATASETS

from ..tiny_run import ROOT, tiny_config

PREDICTION = ROOT / 'configs/prediction/cbm15_scratch_1xb8-10to10-80e_video-folder-grey.py'

SMALL = dict(type='Resize', scale=(32, 32), keep_ratio=False)


def recognition_train(folder: Path) -> None:
    """Two epochs, so that a file that is named in each would show."""
    Runner.from_cfg(recognition_config(folder, 'recognition_train')).train()


def recognition_test(folder: Path) -> None:
    """One pass over the other half of the bad videos."""
    Runner.from_cfg(recognition_config(folder, 'recognition_test')).test()


def prediction_train(folder: Path) -> None:
    """Two epochs."""
    Runner.from_cfg(prediction_config(folder, 'prediction_train', 'test_good.txt')).train()


def prediction_refused(folder: Path) -> None:
    """Test sets with videos that cannot be read are refused, until the log's names are off."""
    cfg = prediction_config(folder, 'prediction_refused', 'good_list.txt')
    runner = Runner.from_cfg(cfg)  # for its log
    names = (folder / 'test_list.txt').read_text().split()
    left = dict(cfg.test_dataloader.dataset, ann_file='test_left.txt')
    log = next(Path(runner.work_dir).glob('*/*.log'))
    for _ in range(len(names)):  # decord tells of some damage only now and then
        (folder / 'test_left.txt').write_text('\n'.join(names))
        try:
            DATASETS.build(left)
            return
        except ValueError as error:
            if 'sequences to test on cannot be read' not in str(error):
                raise
        names = [name for name in names if f' {name} (' not in log.read_text()]
    raise RuntimeError('nothing was left to test on')


def prediction_test(folder: Path) -> None:
    """One pass over what was not refused."""
    Runner.from_cfg(prediction_config(folder, 'prediction_test', 'test_left.txt')).test()


RUNS: Dict[str, Callable[[Path], None]] = {run.__name__: run for run in (
    recognition_train, recognition_test, prediction_train, prediction_refused, prediction_test)}


def recognition_config(folder: Path, name: str) -> Config:
    """The default, cut down, on lists of files."""
    cfg = tiny_config(folder, name)
    for split, listed in (('train', 'train_list.txt'), ('val', 'good_list.txt'),
                          ('test', 'test_list.txt')):
        old = cfg[f'{split}_dataloader'].dataset
        steps = [dict(step) for step in old.pipeline]
        cfg[f'{split}_dataloader'].dataset = dict(
            type='CheckedVideoDataset', ann_file=str(folder / f'labelled_{listed}'),
            data_prefix=dict(video=str(folder)), num_classes=8, test_mode=split != 'train',
            pipeline=[*steps[:3], SMALL, *steps[3:]])
    return _common(cfg)


def prediction_config(folder: Path, name: str, tested: str) -> Config:
    """Two narrow layers on a folder of videos, small and grey."""
    cfg = Config.fromfile(PREDICTION)
    cfg.work_dir, cfg.experiment_name = str(folder / name), f'{folder.name}_{name}'
    cfg.visualizer.name = cfg.experiment_name
    cfg.merge_from_dict({'model.network.hidden_channels': [4, 4], 'train_cfg.max_epochs': 2,
                         'train_cfg.val_interval': 1, 'param_scheduler.0.total_steps': 2})
    for split, listed in (('train', 'train_list.txt'), ('val', 'good_list.txt'), ('test', tested)):
        cfg[f'{split}_dataloader'].dataset.update(
            data_root=str(folder), ann_file=listed, num_inputs=3, num_outputs=2, size=16,
            stride=1, cache=None)
    return _common(cfg)


def _common(cfg: Config) -> Config:
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].update(batch_size=4, num_workers=2, persistent_workers=True)
    hooks: List[Dict[str, Any]] = [dict(hook) for hook in cfg.custom_hooks
                                   if hook['type'] != 'PredictionPicturesHook']
    for hook in hooks:
        if hook['type'] in ('VideoFaultHook', 'SampleFaultHook'):
            hook['max_share'] = 1.0  # half of these lists is bad on purpose
    cfg.custom_hooks = hooks
    return cfg


def main(folder: Path) -> None:
    """All runs, one after another."""
    init_default_scope('mmaction')
    for name, run in RUNS.items():
        run(folder)
        (folder / f'{name}.done').touch()


if __name__ == '__main__':
    main(Path(sys.argv[1]).resolve())
