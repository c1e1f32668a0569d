"""Train a recognizer (or any other model of MMAction2) from a config.

    python tools/train.py CONFIG [--work-dir DIR] [--resume] [--cfg-options key=value ...]

The flags are those of MMAction2's tools/train.py. In addition a seed is always set (else a resumed
run would draw other numbers), the model is tested at the end where the config says
``test_after_train = True``, and the last lines name the accuracy, the checkpoint and the curves.
"""
import argparse
import os
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.device import is_cuda_available, is_mlu_available, is_npu_available
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from cbm_plugin.engine.bfloat16 import SLOW_BFLOAT16, bfloat16_is_slow
from cbm_plugin.engine.checkpoint_hook import CheckpointNotWritten
from cbm_plugin.engine.launch import (
    build_runner,
    closing_block,
    explain_lost_process,
    init_cpu_process_group,
    leave_process_group,
    set_work_dir,
)
from cbm_plugin.engine.resume import newest_whole, noted_checkpoint, read_whole
from cbm_plugin.engine.termination import told_of_sigterm
from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Train a model from a config')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='where to write logs and checkpoints (default: work_dir of the config, else '
        'work_dirs/<name of the config>)')
    parser.add_argument(
        '--resume',
        nargs='?',
        type=str,
        const='auto',
        help='go on from this checkpoint, or, without a path, from the latest in the work dir that '
        'can be read whole (from the start where there is none yet)')
    parser.add_argument('--amp', action='store_true',
                        help='train in mixed precision (bfloat16 on a CPU)')
    parser.add_argument('--no-validate', action='store_true', help='do not validate while training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate by batch size / the config's auto_scale_lr.base_batch_size")
    parser.add_argument(
        '--seed', type=int, default=None,
        help="random seed (default: that of the run to resume, else the config's, else 0)")
    parser.add_argument(
        '--diff-rank-seed', action='store_true', help='add the rank to the seed of each process')
    parser.add_argument(
        '--deterministic', action='store_true', help='use deterministic algorithms only')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='change entries of the config: key=value, with dots for nested keys '
        '(train_dataloader.batch_size=8); lists as key="[a,b]" or key=a,b, nested as '
        'key="[(a,b),(c,d)]", quoted and without white space')
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
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.launcher = args.launcher
    set_work_dir(cfg, args.work_dir, args.config)
    if args.amp:
        _switch_amp_on(cfg)
    if args.resume is not None:
        if args.resume != 'auto' and '://' not in args.resume and not Path(args.resume).is_file():
            fail(f'there is no checkpoint {args.resume} to resume from: '
                 'give an existing file, or --resume alone for the latest in the work dir')
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if cfg.get('auto_scale_lr') is None:
            fail(f'--auto-scale-lr: {args.config} does not say for which batch size its learning '
                 'rate is meant: add auto_scale_lr = dict(base_batch_size=...)')
        cfg.auto_scale_lr.enable = True
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    _set_randomness(cfg, args, _choose_checkpoint(cfg) if cfg.get('resume') else {})
    if cfg.get('test_after_train') and cfg.get('test_dataloader') is None:
        fail('test_after_train = True, but there is no test_dataloader: add one, with test_cfg and '
             'test_evaluator, or leave test_after_train out')
    return cfg


def _switch_amp_on(cfg: Config) -> None:
    """Mixed precision, also in each of several optimizers."""
    wrapper = cfg.optim_wrapper
    several = wrapper.get('constructor') == 'NetworksOptimWrapperConstructor'
    for entry in [wrapper[name] for name in wrapper if name != 'constructor'] if several else \
            [wrapper]:
        _use_amp(entry)
    if not _amp_device_available() and bfloat16_is_slow() and os.environ.get('RANK', '0') == '0':
        print(f'--amp: {SLOW_BFLOAT16}', file=sys.stderr)


def _use_amp(wrapper: ConfigDict) -> None:
    """float16 with a loss scale on a GPU, bfloat16 on a CPU."""
    kind = wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'Bfloat16OptimWrapper'):
        fail(f'--amp replaces an OptimWrapper, but optim_wrapper.type is {kind!r}: '
             'leave --amp out, or set its precision in the config')
    if _amp_device_available() and kind != 'Bfloat16OptimWrapper':
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
        return
    wrapper.type = 'Bfloat16OptimWrapper'
    for of_amp in ('loss_scale', 'dtype', 'use_fsdp'):  # AmpOptimWrapper's alone
        wrapper.pop(of_amp, None)


def _amp_device_available() -> bool:
    return is_cuda_available() or is_npu_available() or is_mlu_available()


def _choose_checkpoint(cfg: Config) -> Dict:
    """Have the runner resume from a checkpoint that is whole; returns what is known about it.

    One that was named must be whole itself: to take another in its place is not for us to decide.
    """
    try:
        if cfg.get('load_from'):
            return {} if '://' in cfg.load_from else read_whole(Path(cfg.load_from))['meta']
        found = newest_whole(cfg.work_dir)
    except ValueError as error:
        fail(str(error) if not cfg.get('load_from') else
             f'{error}: give another, or --resume alone for the newest good one in the work dir')
    if found is None:
        return {}
    if os.environ.get('RANK', '0') == '0':
        for reason in found.broken:
            print(f'warning: {reason}: falling back to {found.path}', file=sys.stderr)
    cfg.load_from = str(found.path)
    return found.meta


def _set_randomness(cfg: Config, args: argparse.Namespace, resumed: Dict) -> None:
    """Set a seed in any case: --seed, else that of the resumed run, else the config's, else 0.

    Without one MMEngine draws a new one at each start. The resumed run's goes before the config's,
    because it may have been started with --seed: MMEngine takes it from the checkpoint too, but
    only after the samplers were built.
    """
    randomness = dict(cfg.get('randomness') or {})
    seeds = [args.seed, resumed.get('seed'), randomness.get('seed'), 0]
    randomness['seed'] = next(seed for seed in seeds if seed is not None)
    if args.diff_rank_seed:
        randomness['diff_rank_seed'] = True
    if args.deterministic:
        randomness['deterministic'] = True
    cfg.randomness = randomness


def _where_it_stands(work_dir: str) -> str:
    """What is left of a training that ended early."""
    last = noted_checkpoint(work_dir)
    return (f'{last} stands: go on with the same command and --resume' if last is not None else
            'no checkpoint was written yet')


def _last_words(runner: Runner, tested: Optional[Dict[str, float]], seconds: float) -> str:
    """Accuracy, checkpoint and curves of a finished training."""
    hub = runner.message_hub
    metrics = {f'test {key}': value for key, value in (tested or {}).items()}
    if not metrics:
        metrics = {
            f'val {key[len("val/"):]}': float(curve.current())
            for key, curve in hub.log_scalars.items()
            if key.startswith('val/') and key not in ('val/time', 'val/data_time')
        }
    last, curves = noted_checkpoint(runner.work_dir), Path(runner.work_dir) / 'curves.png'
    minutes, rest = divmod(round(seconds), 60)
    return closing_block(
        f'Trained {runner.epoch} epochs ({runner.iter} iterations); '
        f'this start took {minutes} min {rest} s',
        metrics,
        {
            'checkpoint': last and str(last),
            'best': hub.runtime_info.get('best_ckpt'),
            'curves': str(curves) if curves.is_file() else None,
        })


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    # The launchers of PyTorch before 2.0 set the flag, MMEngine reads the variable.
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = merge_args(load_config(args.config), args)
    init_cpu_process_group(args.launcher, cfg)
    start = time.monotonic()
    try:
        with explain_user_errors(cfg), explain_lost_process(cfg), \
                told_of_sigterm(lambda: _where_it_stands(cfg.work_dir)):
            runner = build_runner(cfg)
            runner.train()
            tested = runner.test() if cfg.get('test_after_train') else None
    except CheckpointNotWritten as error:
        sys.exit(f'error: {error}')
    if is_main_process():
        print(_last_words(runner, tested, time.monotonic() - start), flush=True)
    del runner
    leave_process_group()


if __name__ == '__main__':
    main()
