"""The command lines of train.py and test.py: MMAction2's own flags, merged into the config."""
import argparse
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import cbm_plugin  # noqa: F401  (absorbs upstream faults)

# isort: split
import mmaction
import pytest
import torch
from mmengine.config import Config

TOOLS = Path(__file__).parents[2] / 'tools'
STOCK_TOOLS = Path(mmaction.__file__).parent / '.mim' / 'tools'


def load(path: Path) -> ModuleType:
    spec = spec_from_file_location(f'{path.parent.name}_{path.stem}', path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flags_of(tool: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """All that a script's parser understands, by name."""
    parsers = []

    def keep(parser, *_):
        parsers.append(parser)
        raise KeyboardInterrupt

    module = load(tool)
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', keep)
        with pytest.raises(KeyboardInterrupt):
            module.parse_args()
    return {action.dest: (type(action), action.option_strings, action.nargs, action.type,
                          action.default, action.choices, action.const, action.required)
            for action in parsers[0]._actions}


def merged(tool: str, tmp_path: Path, argv: list, **entries) -> Config:
    """The config that a script makes of these entries and flags."""
    module = load(TOOLS / tool)
    args = module.parse_args([str(tmp_path / 'some_config.py'), *argv])
    entries.setdefault('optim_wrapper', dict(optimizer=dict(type='SGD')))
    return module.merge_args(Config(entries), args)


def message_of(capsys: pytest.CaptureFixture) -> str:
    message = capsys.readouterr().err
    assert message.startswith('error: ') and message.count('\n') == 1
    return message


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
def test_flags_are_those_of_mmaction2_in_name_kind_and_default(tool, monkeypatch):
    assert flags_of(TOOLS / tool, monkeypatch) == flags_of(STOCK_TOOLS / tool, monkeypatch)


def test_help_does_not_name_the_flag_by_which_mim_knows_tools_without_launchers(capsys):
    with pytest.raises(SystemExit) as end:
        load(TOOLS / 'train.py').main(['-h'])
    assert end.value.code == 0
    assert '--gpus' not in capsys.readouterr().out


def test_a_missing_config_ends_the_program_with_one_line_and_code_2(tmp_path):
    (tmp_path / 'baseline.py').touch()
    run = subprocess.run(
        [sys.executable, str(TOOLS / 'train.py'), str(tmp_path / 'baselin.py')],
        capture_output=True, text=True, env={**os.environ, 'PYTHONPATH': str(TOOLS.parent)})
    assert run.returncode == 2
    assert 'Traceback' not in run.stderr
    assert run.stderr.splitlines()[-1] == (
        f'error: there is no config file {tmp_path}/baselin.py: did you mean baseline.py?')


# The seed.


def test_a_seed_is_always_written_into_the_config(tmp_path):
    assert merged('train.py', tmp_path, []).randomness.seed == 0


def test_a_given_seed_goes_before_that_of_the_config(tmp_path):
    cfg = merged('train.py', tmp_path, ['--seed', '7'], randomness=dict(seed=3, deterministic=True))
    assert cfg.randomness == dict(seed=7, deterministic=True)


def test_without_a_given_seed_the_config_keeps_its_own(tmp_path):
    assert merged('train.py', tmp_path, [], randomness=dict(seed=3)).randomness.seed == 3


def test_seed_flags_reach_a_config_that_has_randomness_already(tmp_path):
    cfg = merged('train.py', tmp_path, ['--diff-rank-seed', '--deterministic'],
                 randomness=dict(seed=3))
    assert cfg.randomness == dict(seed=3, diff_rank_seed=True, deterministic=True)


@pytest.mark.parametrize('by_path', [True, False])
def test_a_resumed_run_takes_the_seed_that_it_was_started_with(tmp_path, by_path):
    checkpoint = tmp_path / 'iter_5.pth'
    torch.save(dict(meta=dict(seed=11), state_dict={}, message_hub={}), checkpoint)
    (tmp_path / 'last_checkpoint').write_text(str(checkpoint))
    argv = ['--work-dir', str(tmp_path), '--resume', *([str(checkpoint)] if by_path else [])]
    assert merged('train.py', tmp_path, argv, randomness=dict(seed=3)).randomness.seed == 11
    given = merged('train.py', tmp_path, [*argv, '--seed', '4'], randomness=dict(seed=3))
    assert given.randomness.seed == 4


# The other flags of train.py.


def test_the_work_dir_is_the_flags_else_the_configs_else_the_configs_name(tmp_path):
    flag = ['--work-dir', 'given']
    assert merged('train.py', tmp_path, flag, work_dir='own').work_dir == 'given'
    assert merged('train.py', tmp_path, [], work_dir='own').work_dir == 'own'
    assert merged('train.py', tmp_path, []).work_dir == './work_dirs/some_config'


def test_resume_without_a_path_looks_for_the_latest_checkpoint(tmp_path):
    cfg = merged('train.py', tmp_path, ['--resume'], load_from='old.pth', work_dir=str(tmp_path))
    assert cfg.resume is True and cfg.load_from is None


def test_resume_from_a_missing_checkpoint_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        merged('train.py', tmp_path, ['--resume', 'nowhere.pth'])
    assert 'no checkpoint nowhere.pth' in message_of(capsys)


def test_no_validate_leaves_out_the_whole_validation(tmp_path):
    cfg = merged('train.py', tmp_path, ['--no-validate'], val_cfg=dict(), val_dataloader=dict(),
                 val_evaluator=dict())
    assert cfg.val_cfg is cfg.val_dataloader is cfg.val_evaluator is None


def test_cfg_options_and_launcher_reach_the_config(tmp_path):
    argv = ['--launcher', 'pytorch', '--cfg-options', 'model.depth=3', 'a.b=[1,2]']
    cfg = merged('train.py', tmp_path, argv, model=dict(depth=1))
    assert cfg.launcher == 'pytorch' and cfg.model.depth == 3 and cfg.a.b == [1, 2]


def test_auto_scale_lr_is_switched_on(tmp_path):
    cfg = merged('train.py', tmp_path, ['--auto-scale-lr'],
                 auto_scale_lr=dict(enable=False, base_batch_size=8))
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=8)


def test_auto_scale_lr_without_a_base_batch_size_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        merged('train.py', tmp_path, ['--auto-scale-lr'])
    assert 'add auto_scale_lr = dict(base_batch_size=...)' in message_of(capsys)


def amp(monkeypatch, available: bool, wrapper: dict) -> Config:
    module = load(TOOLS / 'train.py')
    monkeypatch.setattr(module, '_amp_device_available', lambda: available)
    return module.merge_args(Config(dict(optim_wrapper=wrapper)),
                             module.parse_args(['some_config.py', '--amp']))


def test_amp_changes_the_optimizer_wrapper_and_keeps_its_loss_scale(monkeypatch):
    assert amp(monkeypatch, True, {}).optim_wrapper == dict(
        type='AmpOptimWrapper', loss_scale='dynamic')
    assert amp(monkeypatch, True, dict(loss_scale=512)).optim_wrapper.loss_scale == 512


def test_amp_on_a_cpu_is_bfloat16_without_a_loss_scale_and_keeps_the_rest(monkeypatch):
    rest = dict(optimizer=dict(type='Adam'), clip_grad=dict(max_norm=5), accumulative_counts=2)
    given = dict(type='AmpOptimWrapper', loss_scale='dynamic', dtype='float16', use_fsdp=False)
    assert amp(monkeypatch, False, {**given, **rest}).optim_wrapper == dict(
        type='Bfloat16OptimWrapper', **rest)


@pytest.mark.parametrize('gpu', [True, False])
def test_amp_keeps_a_config_that_is_in_bfloat16_already(gpu, monkeypatch):
    given = dict(type='Bfloat16OptimWrapper', accumulative_counts=2)
    assert amp(monkeypatch, gpu, dict(given)).optim_wrapper == given


@pytest.mark.parametrize('gpu, tiles, avx512, rank, lines', [
    (False, False, False, '0', 1), (False, True, False, '0', 0), (False, False, True, '0', 0),
    (True, False, False, '0', 0), (False, False, False, '1', 0)])
def test_amp_says_once_where_bfloat16_is_the_slower_one(gpu, tiles, avx512, rank, lines,
                                                       monkeypatch, capsys):
    monkeypatch.setattr('torch.cpu._is_amx_tile_supported', lambda: tiles)
    monkeypatch.setattr('torch.cpu._is_avx512_bf16_supported', lambda: avx512)
    monkeypatch.setenv('RANK', rank)
    amp(monkeypatch, gpu, dict(type='Bfloat16OptimWrapper'))
    assert capsys.readouterr().err.count('\n') == lines
    amp(monkeypatch, gpu, {})
    assert ('no instructions for bfloat16' in capsys.readouterr().err) is bool(lines)


def test_amp_reaches_each_of_several_optimizers(monkeypatch):
    given = dict(constructor='NetworksOptimWrapperConstructor', network=dict(accumulative_counts=2),
                 discriminator=dict(type='OptimWrapper'))
    wrappers = amp(monkeypatch, False, given).optim_wrapper
    assert wrappers == dict(
        constructor='NetworksOptimWrapperConstructor',
        network=dict(type='Bfloat16OptimWrapper', accumulative_counts=2),
        discriminator=dict(type='Bfloat16OptimWrapper'))


def test_amp_over_another_optimizer_wrapper_is_refused_by_its_name(monkeypatch, capsys):
    with pytest.raises(SystemExit, match='2'):
        amp(monkeypatch, True, dict(type='ApexOptimWrapper'))
    assert "optim_wrapper.type is 'ApexOptimWrapper'" in message_of(capsys)


def test_a_test_after_training_without_test_data_is_refused_before_training(tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        merged('train.py', tmp_path, [], test_after_train=True)
    assert 'there is no test_dataloader' in message_of(capsys)


# The flags of test.py.


@pytest.fixture
def checkpoint(tmp_path) -> str:
    path = tmp_path / 'epoch_1.pth'
    path.touch()
    return str(path)


def test_a_missing_checkpoint_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        merged('test.py', tmp_path, ['nowhere.pth'], test_dataloader=dict())
    assert 'no checkpoint nowhere.pth' in message_of(capsys)


@pytest.mark.parametrize('evaluator', [dict(type='AccMetric'), [dict(type='AccMetric')]])
def test_dump_adds_a_metric_that_writes_the_predictions(tmp_path, checkpoint, evaluator):
    cfg = merged('test.py', tmp_path, [checkpoint, '--dump', 'p.pkl'], test_dataloader=dict(),
                 test_evaluator=evaluator)
    assert cfg.load_from == checkpoint
    assert cfg.test_evaluator == [
        dict(type='AccMetric'), dict(type='DumpResults', out_file_path='p.pkl')]


def test_dump_into_another_format_is_refused(tmp_path, checkpoint, capsys):
    with pytest.raises(SystemExit, match='2'):
        merged('test.py', tmp_path, [checkpoint, '--dump', 'p.json'], test_dataloader=dict())
    assert 'ends in .pkl or .pickle' in message_of(capsys)


def test_show_dir_switches_the_visualization_hook_on(tmp_path, checkpoint):
    cfg = merged('test.py', tmp_path, [checkpoint, '--show-dir', 'pictures', '--interval', '5'],
                 test_dataloader=dict(),
                 default_hooks=dict(visualization=dict(type='VisualizationHook')))
    assert cfg.default_hooks.visualization == dict(
        type='VisualizationHook', enable=True, show=False, wait_time=2, out_dir='pictures',
        interval=5)


def test_show_without_the_hook_is_refused_with_the_line_to_add(tmp_path, checkpoint, capsys):
    with pytest.raises(SystemExit, match='2'):
        merged('test.py', tmp_path, [checkpoint, '--show'], test_dataloader=dict())
    assert "add visualization=dict(type='VisualizationHook')" in message_of(capsys)


# The shell scripts.


@pytest.mark.parametrize('script, argv, command', [
    ('dist_train.sh', 'c.py 2 --amp',
     '-m torch.distributed.run --nnodes=1 --node_rank=0 --master_addr=127.0.0.1 '
     '--master_port=29500 --nproc_per_node=2 {tools}/train.py c.py --launcher pytorch --amp'),
    ('dist_test.sh', 'c.py e.pth 2 --dump p.pkl',
     '-m torch.distributed.run --nnodes=1 --node_rank=0 --master_addr=127.0.0.1 '
     '--master_port=29500 --nproc_per_node=2 {tools}/test.py c.py e.pth --launcher pytorch '
     '--dump p.pkl'),
])
def test_dist_scripts_start_the_processes_with_the_flags_handed_on(script, argv, command):
    run = subprocess.run([str(TOOLS / script), *argv.split()], capture_output=True, text=True,
                         env={'PATH': '/usr/bin:/bin', 'PYTHON': 'echo'}, check=True)
    assert run.stdout.strip() == command.format(tools=TOOLS)


@pytest.mark.parametrize('script, argv, tail', [
    ('slurm_train.sh', 'gpu job c.py --amp', 'train.py c.py --launcher slurm --amp'),
    ('slurm_test.sh', 'gpu job c.py e.pth', 'test.py c.py e.pth --launcher slurm'),
])
def test_slurm_scripts_ask_for_no_more_gpus_than_wanted(tmp_path, script, argv, tail):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho "$@"\n')
    srun.chmod(0o755)
    run = subprocess.run([str(TOOLS / script), *argv.split()], capture_output=True, text=True,
                         env={'PATH': f'{tmp_path}:/usr/bin:/bin', 'GPUS': '2'}, check=True)
    words = run.stdout.strip()
    assert '-p gpu --job-name=job --gres=gpu:2 --ntasks=2 --ntasks-per-node=2' in words
    assert words.endswith(f'{TOOLS}/{tail}')


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh',
                                    'slurm_test.sh'])
def test_scripts_without_arguments_tell_their_usage(script):
    run = subprocess.run([str(TOOLS / script)], capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.startswith('usage: ')
