"""Test a checkpoint on the test data of a config.

    python tools/test.py CONFIG CHECKPOINT [--dump predictions.pkl] [--cfg-options key=value ...]

The flags are those of MMAction2's tools/test.py.
"""
import argparse
import os
from pathlib import Path
from typing import List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from cbm_plugin.engine.checkpoints import fitting_weights
from cbm_plugin.engine.launch import (
    build_runner,
    closing_block,
    explain_lost_process,
    init_cpu_process_group,
    leave_process_group,
    set_work_dir,
)
from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Test a checkpoint on the test data of a config')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument(
        '--work-dir',
        help='where to write logs and metrics (default: work_dir of the config, else '
        'work_dirs/<name of the config>)')
    parser.add_argument('--dump', type=str, help='pickle file to write all predictions to')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='change entries of the config: key=value, with dots for nested keys '
        '(test_dataloader.batch_size=8); lists as key="[a,b]" or key=a,b, nested as '
        'key="[(a,b),(c,d)]", quoted and without white space')
    parser.add_argument('--show-dir', help='folder to write pictures of the predictions to')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument('--interval', type=int, default=1, help='show every so many samples')
    parser.add_argument(
        '--wait-time', type=float, default=2, help='how long to show each window, in seconds')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes, if there are several')
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help='set by older launchers')
    return parser.parse_args(argv)


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Write the flags into the config, and return it. What contradicts it ends the program."""
    if '://' not in args.checkpoint and not Path(args.checkpoint).is_file():
        fail(f'there is no checkpoint {args.checkpoint}: give an existing file or a URL')
    if cfg.get('test_dataloader') is None:
        fail(f'{args.config} has no test_dataloader: add one, with test_cfg and test_evaluator')
    if args.show or args.show_dir is not None:
        _switch_visualization_on(cfg, args)
    if args.dump is not None:
        _add_dump(cfg, args.dump)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    set_work_dir(cfg, args.work_dir, args.config)
    cfg.load_from = args.checkpoint
    return cfg


def _switch_visualization_on(cfg: Config, args: argparse.Namespace) -> None:
    if 'visualization' not in cfg.get('default_hooks', {}):
        fail('--show and --show-dir need the VisualizationHook: '
             "add visualization=dict(type='VisualizationHook') to default_hooks")
    cfg.default_hooks.visualization.update(
        enable=True,
        show=args.show,
        wait_time=args.wait_time,
        out_dir=args.show_dir,
        interval=args.interval)


def _add_dump(cfg: Config, path: str) -> None:
    if not path.endswith(('.pkl', '.pickle')):
        fail(f'--dump {path} writes a pickle file: use a name that ends in .pkl or .pickle')
    evaluators = cfg.test_evaluator
    evaluators = list(evaluators) if isinstance(evaluators, (list, tuple)) else [evaluators]
    cfg.test_evaluator = [*evaluators, dict(type='DumpResults', out_file_path=path)]


class FittingCheckpointHook(Hook):
    """Refuses a checkpoint that lacks weights: MMEngine would leave those random.

    Args:
        path, config: for the message.
    """
    priority = 'VERY_LOW'  # after moving averages have put theirs in place

    def __init__(self, path: str, config: str) -> None:
        self.path, self.config = path, config

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        try:
            fitting_weights(model, checkpoint, self.path, self.config, more_allowed=True)
        except ValueError as error:
            fail(str(error))


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    # The launchers of PyTorch before 2.0 set the flag, MMEngine reads the variable.
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = merge_args(load_config(args.config), args)
    init_cpu_process_group(args.launcher, cfg)
    with explain_user_errors(cfg), explain_lost_process(cfg):
        runner = build_runner(cfg)
        runner.register_hook(FittingCheckpointHook(args.checkpoint, args.config))
        metrics = runner.test()
    if is_main_process():
        places = {'checkpoint': args.checkpoint, 'predictions': args.dump, 'log': runner.log_dir}
        print(closing_block('Tested', metrics, places), flush=True)
    del runner
    leave_process_group()


if __name__ == '__main__':
    main()
