"""Studies of real trainings, on made-up features: what they refuse, run, keep and go on with."""
import contextlib
import fcntl
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, NamedTuple, Optional

import numpy as np
import pytest

from ..tiny_run import ROOT

CONFIG = 'configs/anticipation/ucf101_features/lstm1_vgg16-fc6_1xb16-25x1x1-20e_ucf101-features.py'
TINY = {'model.neck.hidden_channels': [8], 'model.cls_head.in_channels': 8,
        'train_cfg.max_epochs': 1, 'param_scheduler.0.total_steps': 1,
        'default_hooks.logger.interval': 1, 'train_cfg.val_interval': 1}
PATIENCE = 120
"""Seconds after which what is waited for will not come."""


@pytest.fixture(scope='module')
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / 'tools' / 'analysis_tools'))
        patch.setenv('OMP_NUM_THREADS', '1')
        yield importlib.import_module('study')


@pytest.fixture(scope='module')
def part(study: ModuleType) -> Any:
    return lambda name: importlib.import_module(f'study_parts.{name}')


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    make_features(folder)
    return folder


def make_features(folder: Path, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    np.savez(folder / 'features.npz',
             features=rng.normal(size=(70, 10, 256)).astype(np.float16),
             label=np.tile(np.arange(7), 10), split=np.array(['train'] * 56 + ['test'] * 14),
             video=np.array([f'v{i}' for i in range(70)]), classes=np.array(list('abcdefg')))


def definition(**changes: Any) -> Dict[str, Any]:
    """A study of one task and one cell."""
    task = dict(config=CONFIG, metric='acc/top1', data='FEATURES', seeds=[0], options=TINY,
                seed_options=['train_dataloader.dataset.subset_seed'])
    task.update(changes.pop('task', {}))
    return {**dict(question='Is it run?', source='none', equal='updates',
                   tasks=dict(features=task), cells=[dict(name='good')]), **changes}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / 'tiny.py'
    path.write_text(f'study = {definition(**changes)!r}\n')
    return path


class Outcome(NamedTuple):
    file: Path
    work: Path
    said: str


@pytest.fixture(scope='module')
def ran(study: ModuleType, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A study of three cells: one trains, one diverges, one crashes."""
    folder = tmp_path_factory.mktemp('ran')
    file = write(folder, cells=[
        dict(name='broken', options={'train_dataloader.dataset.per_class': 1000}),
        dict(name='wild', options={'model.cls_head.init_std': 1e38}), dict(name='good')])
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        study.main([str(file), '--data-root', str(data), '--work-dir', str(folder / 'work')])
    return Outcome(file, folder / 'work', said.getvalue())


def result(ran: Outcome, cell: str) -> Dict[str, Any]:
    return json.loads((ran.work / 'features' / cell / 'seed0' / 'result.json').read_text())


def refused(study: ModuleType, capsys: pytest.CaptureFixture, *words: object) -> str:
    """What a study says that ends with a mistake of the user."""
    with pytest.raises(SystemExit) as ended:
        study.main([str(word) for word in words])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_finished_run_leaves_its_metrics_its_curves_and_what_it_cost(ran: Outcome) -> None:
    good = result(ran, 'good')
    assert good['status'] == 'done' and 0 <= good['metrics']['acc/top1'] <= 1
    assert [entry['iter'] for entry in good['curves']['train']] == [1, 2, 3, 4]
    assert all(entry['loss'] > 0 for entry in good['curves']['train'])
    assert [entry['epoch'] for entry in good['curves']['val']] == [1]
    assert 'acc/top1' in good['curves']['val'][0]
    assert good['seconds'] > 0 and good['cpu_seconds'] > 0 and good['peak_memory'] > 100
    # an LSTM of 8 channels: 4 gates of two maps (the state's without a bias) and a LayerNorm each
    assert good['parameters'] > 4 * (256 * 8 + 8 * 8)
    assert not list(ran.work.glob('features/good/seed0/train/*.pth'))


def test_a_run_that_crashes_is_recorded_with_its_reason_and_the_study_goes_on(
        ran: Outcome) -> None:
    broken = result(ran, 'broken')
    assert broken['status'] == 'failed' and broken['metrics'] == {}
    assert broken['reason'] == 'ValueError: class 0 has 8 videos, but per_class is 1000: lower it'
    assert broken['reason'] in ran.said and 'run 3 of 3' in ran.said


def test_a_run_whose_loss_is_no_number_is_told_from_one_that_crashed(ran: Outcome) -> None:
    wild = result(ran, 'wild')
    assert wild['status'] == 'diverged' and 'not finite in iteration 1' in wild['reason']


def test_trainings_start_from_a_copy_of_the_code_that_is_fingerprinted(ran: Outcome) -> None:
    code = ran.work / 'code' / result(ran, 'broken')['fingerprint']['code']
    said = (ran.work / 'features/broken/seed0/output.txt').read_text()
    assert f'File "{code}/tools/train.py"' in said
    assert f'File "{code}/cbm_plugin/' in said and f'File "{ROOT}/cbm_plugin' not in said


def test_a_finished_study_runs_nothing_again_and_reports(
        study: ModuleType, ran: Outcome, data: Path, capsys: pytest.CaptureFixture) -> None:
    before = {path: path.stat().st_mtime_ns for path in ran.work.rglob('result.json')}
    study.main([str(ran.file), '--data-root', str(data), '--work-dir', str(ran.work)])
    out = capsys.readouterr()
    assert {path: path.stat().st_mtime_ns for path in before} == before and len(before) == 3
    assert 'run 1' not in out.err and '| good |' in out.out and 'diverged' in out.out


def test_a_result_of_other_code_is_named_kept_aside_and_missing(
        ran: Outcome, data: Path, part: Any, tmp_path: Path,
        capsys: pytest.CaptureFixture) -> None:
    definition, schedule, store = part('definition'), part('schedule'), part('store')
    tiny = definition.read_study(write(tmp_path))
    planned = schedule.plan(tiny, tmp_path, {'features': data})
    folder, = [order.run.folder for order in planned.missing]
    folder.mkdir(parents=True)
    made = result(ran, 'good')
    made['fingerprint'] = {**planned.orders[0].fingerprint, 'code': 'older'}
    store.write_result(folder, made)
    again = schedule.plan(tiny, tmp_path, {'features': data})
    assert again.results == {} and [order.run.folder for order in again.missing] == [folder]
    said = capsys.readouterr().err
    assert 'made by other code (older, now ' in said and 'features, good, seed 0' in said
    aside, = folder.glob('result.older-*.json')
    assert aside.name in said and json.loads(aside.read_text()) == made


def test_a_study_goes_on_with_the_code_of_an_earlier_start(
        data: Path, part: Any, tmp_path: Path) -> None:
    definition, schedule = part('definition'), part('schedule')
    tiny = definition.read_study(write(tmp_path))
    now = schedule.plan(tiny, tmp_path, {'features': data}).orders[0].fingerprint
    older = part('fingerprint').Code(configs_of(part), tmp_path / 'code' / now['code'])
    older.files['cbm_plugin/registry.py'] += b'# older'
    place = tmp_path / 'code' / 'draft'
    for name, content in older.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    name = part('fingerprint').Code(configs_of(part), place).hash
    place.rename(tmp_path / 'code' / name)
    order, = schedule.plan(tiny, tmp_path, {'features': data}, code=name).orders
    assert order.code == tmp_path / 'code' / name and order.fingerprint == {**now, 'code': name}
    (order.code / 'cbm_plugin/registry.py').write_text('# edited')
    for wrong, said in ((name, 'do not mix'), ('missing', f'use one of .*{now["code"]}')):
        with pytest.raises(definition.StudyError, match=said):
            schedule.plan(tiny, tmp_path, {'features': data}, code=wrong)
    copied = tmp_path / 'code' / now['code'] / 'cbm_plugin/registry.py'
    copied.write_text('# edited')
    schedule.plan(tiny, tmp_path, {'features': data})
    assert copied.read_bytes() == (ROOT / 'cbm_plugin/registry.py').read_bytes()


def configs_of(part: Any) -> Any:
    return part('configs').Config(dict(custom_imports=dict(imports=['cbm_plugin.recognition'])))


def test_a_half_done_run_of_other_code_is_not_gone_on_with(
        data: Path, part: Any, tmp_path: Path) -> None:
    definition, schedule, execute = part('definition'), part('schedule'), part('execute')
    tiny = definition.read_study(write(tmp_path))
    order, = schedule.plan(tiny, tmp_path, {'features': data}).missing
    checkpoint = order.run.folder / 'train' / 'epoch_1.pth'
    checkpoint.parent.mkdir(parents=True)
    for code, stays in ((order.fingerprint['code'], True), ('older', False)):
        checkpoint.write_text('weights')
        started = dict(fingerprint={**order.fingerprint, 'code': code}, seconds=1.0,
                       cpu_seconds=1.0, peak=1.0)
        (order.run.folder / 'started.json').write_text(json.dumps(started))
        training = execute.Training(order, threads=1)
        training.stop()
        training.stop()  # as of one that had ended when the study was stopped
        assert checkpoint.is_file() == stays


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGKILL, 'failed'),
                                                (signal.SIGTERM, None)])
def test_a_killed_training_has_failed_and_one_told_to_stop_is_still_to_be_done(
        data: Path, part: Any, tmp_path: Path, number: int, status: Optional[str]) -> None:
    tiny = part('definition').read_study(write(tmp_path))
    planned = part('schedule').plan(tiny, tmp_path, {'features': data})
    training = part('execute').Training(planned.orders[0], threads=1)
    os.kill(training.process.pid, number)
    os.waitid(os.P_PID, training.process.pid, os.WEXITED | os.WNOWAIT)
    if status is None:
        with pytest.raises(InterruptedError, match='was stopped from outside'):
            training.poll()
    else:
        made = training.poll()
        assert made['status'] == status and made['reason'].startswith('killed by SIGKILL')
        assert part('schedule').plan(tiny, tmp_path, {'features': data}).missing == []
    left = part('schedule').plan(tiny, tmp_path, {'features': data}, retry_failed=True)
    assert len(left.missing) == 1


def test_the_time_left_is_what_the_same_cells_took_and_else_the_mean_of_the_task(
        ran: Outcome, data: Path, part: Any, tmp_path: Path) -> None:
    tiny = part('definition').read_study(write(tmp_path, cells=[
        dict(name='good'), dict(name='long'), dict(name='new')]))
    orders = part('schedule').plan(tiny, tmp_path, {'features': data}).orders
    made = result(ran, 'good')
    outlook = part('outlook').Outlook(3, 1, [])
    assert outlook.left(orders, []) == ''
    outlook.note({**made, 'seconds': 60.0})
    outlook.note({**made, 'cell': 'long', 'seconds': 600.0})
    outlook.note({**made, 'cell': 'new', 'seconds': 0.1, 'status': 'failed'})
    assert outlook.left(orders[:1], []) == ', about 60 s left'
    assert outlook.left(orders, []) == f', about {(60 + 600 + 330) / 60:.0f} min left'


def test_code_of_another_application_is_no_part_of_a_runs_fingerprint(
        part: Any, tmp_path: Path) -> None:
    fingerprint, cfg = part('fingerprint'), configs_of(part)
    for name, content in (('cbm_plugin/layers/a.py', '1'), ('cbm_plugin/polygon/b.py', '1'),
                          ('cbm_plugin/recognition/c.py', '1'), ('tools/train.py', '1')):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    first = fingerprint.Code(cfg, tmp_path).hash
    (tmp_path / 'cbm_plugin/polygon/b.py').write_text('2')
    assert fingerprint.Code(cfg, tmp_path).hash == first
    for name in ('cbm_plugin/recognition/c.py', 'cbm_plugin/layers/a.py', 'tools/train.py'):
        before = fingerprint.Code(cfg, tmp_path).hash
        (tmp_path / name).write_text('2')
        assert fingerprint.Code(cfg, tmp_path).hash != before


def test_data_are_known_by_their_content_or_when_they_are_many_by_size_and_time(
        part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_data = part('fingerprint').of_data
    file = tmp_path / 'in' / 'features.bin'
    file.parent.mkdir()
    file.write_bytes(b'one')
    os.symlink(tmp_path, tmp_path / 'in' / 'round', target_is_directory=True)
    first = of_data(tmp_path)
    os.utime(file, ns=(1, 1))
    assert of_data(tmp_path) == first
    file.write_bytes(b'two')
    assert of_data(tmp_path) != first
    monkeypatch.setattr(part('fingerprint'), 'FEW_FILES', 0)
    many = of_data(tmp_path)
    os.utime(file, ns=(1, 1))
    assert of_data(tmp_path) != many


def test_where_the_data_lie_does_not_change_what_a_run_is(
        part: Any, data: Path, tmp_path: Path) -> None:
    definition, schedule = part('definition'), part('schedule')
    tiny = definition.read_study(write(tmp_path))
    moved = tmp_path / 'moved'
    moved.mkdir()
    (moved / 'features.npz').write_bytes((data / 'features.npz').read_bytes())
    here, there = (schedule.plan(tiny, tmp_path / 'work', {'features': root}).orders[0].fingerprint
                   for root in (data, moved))
    assert here == there


def test_a_metric_that_runs_do_not_report_is_named_and_their_results_stay(
        study: ModuleType, ran: Outcome, data: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture) -> None:
    file = write(tmp_path, task=dict(metric='acc/topp1'))
    said = refused(study, capsys, file, '--data-root', data, '--work-dir', ran.work)
    assert "compares 'acc/topp1', which its runs do not report: did you mean acc/top1" in said
    assert result(ran, 'good')['status'] == 'done'


@pytest.mark.parametrize(('key', 'value', 'said'), [
    ('model.neck.deepth', 2, 'its model cannot be built: '),
    ('optim_wrapper.optimiser.lr', 1, "optim_wrapper has no entry 'optimiser': did you mean "
     'optimizer'),
    ('train_dataloader.dataset.subset_sed', 1, 'did you mean subset_seed'),
    ('train_dataloader.dataset', dict(subset_sed=1), 'did you mean subset_seed'),
    ('param_scheduler.7.eta_max', 1, "param_scheduler has no entry '7'"),
    ('max_epochs', 3, 'a variable of the file that nothing reads when it is merged'),
    ('trian_cfg.max_epochs', 3, "a config has no entry 'trian_cfg': did you mean train_cfg"),
])
def test_a_change_that_reaches_nothing_is_named_before_anything_runs(
        study: ModuleType, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, key: str,
        value: Any, said: str) -> None:
    file = write(tmp_path, cells=[dict(name='good'), dict(name='typo', options={key: value})])
    error = refused(study, capsys, file, '--data-root', data, '--work-dir', tmp_path / 'work')
    assert said in error and 'cell typo on task features' in error
    assert not (tmp_path / 'work/features').exists()


@pytest.mark.parametrize(('changes', 'said'), [
    (dict(claim=[]), 'claim is unknown: did you mean claims'),
    (dict(equal='update'), "names 'update', which is not there: did you mean updates"),
    (dict(task=dict(seeds=[0, 0])), 'tasks.features.seeds is [0, 0]'),
    (dict(task=dict(metrics='a')), 'tasks.features.metrics is unknown: did you mean metric'),
    (dict(task=dict(config='configs/none.py')), 'there is no configs/none.py'),
    (dict(cells=[dict(name='a/b')]), "'a/b' is to name a folder"),
    (dict(cells=[dict(name='a'), dict(name='a')]), "2 cells are named 'a'"),
    (dict(cells=[dict(name='a', only=dict(feature={}))]), 'did you mean features'),
    (dict(claims=[dict(text='t', higher='good', lower='goood')]), 'did you mean good'),
    (dict(claims=[dict(text='t', higher=['good'], lower=[])]), 'compared one by one'),
    (dict(along=dict(metrics='early/top1_', cells=['goood'])), 'did you mean good'),
    (dict(along=dict(metric='early/top1_')), 'along.metric is unknown: did you mean metrics'),
    (dict(along={}), 'along.metrics is missing'),
])
def test_a_mistake_in_a_study_file_is_named(study: ModuleType, tmp_path: Path, data: Path,
                                            capsys: pytest.CaptureFixture,
                                            changes: Dict[str, Any], said: str) -> None:
    assert said in refused(study, capsys, write(tmp_path, **changes), '--data-root', data)


def test_data_that_nobody_names_are_asked_for(study: ModuleType, tmp_path: Path,
                                              capsys: pytest.CaptureFixture) -> None:
    said = refused(study, capsys, write(tmp_path))
    assert '--data-root features=DIR' in said and 'FEATURES=DIR' in said


def test_options_are_merged_from_the_task_to_the_cell_and_the_quick_form(
        part: Any, tmp_path: Path) -> None:
    file = write(
        tmp_path, task=dict(data='generated', options={'a': 1, 'b': 1, 'c': 1, 'd': 1}),
        cells=[dict(name='x', options={'b': 2, 'c': 2, 'd': 2}, only=dict(features={'c': 3})),
               dict(name='y'), dict(name='z')],
        quick=dict(options={'d': 4}))
    read = part('definition').read_study
    assert read(file).options('features', read(file).cells[0]) == dict(a=1, b=2, c=3, d=2)
    quick = read(file, quick=True)
    assert [cell.name for cell in quick.cells] == ['x', 'y']
    assert quick.options('features', quick.cells[0]) == dict(a=1, b=2, c=3, d=4)


def test_shards_take_each_run_once(part: Any) -> None:
    shard_of = part('schedule').shard_of
    assert shard_of('1/3', {}) == (1, 3) and shard_of(None, {}) == (0, 1)
    assert shard_of(None, {'RANK': '1', 'WORLD_SIZE': '2'}) == (1, 2)
    array = {'SLURM_ARRAY_TASK_ID': '5', 'SLURM_ARRAY_TASK_COUNT': '4', 'SLURM_ARRAY_TASK_MIN': '2'}
    assert shard_of(None, array) == (3, 4)
    for text in ('3/3', '1', 'a/2', '-1/2'):
        with pytest.raises(part('definition').StudyError, match='is no part of the runs'):
            shard_of(text, {})


def test_a_run_that_another_process_is_at_is_left_to_it(
        study: ModuleType, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / 'work/features/good/seed0'
    folder.mkdir(parents=True)
    with open(folder / 'lock', 'a') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(SystemExit) as ended:
            study.main([str(write(tmp_path)), '--data-root', str(data), '--work-dir',
                        str(tmp_path / 'work')])
    said = capsys.readouterr().err
    assert ended.value.code == 1 and '1 of 1 runs are missing' in said
    assert 'features, good, seed 0: another process is at it' in said
    assert not (folder / 'output.txt').exists()


def test_an_interrupted_study_goes_on_where_its_training_was(
        study: ModuleType, data: Path, tmp_path: Path) -> None:
    file = write(tmp_path, task=dict(options={
        **TINY, 'train_cfg.max_epochs': 12, 'param_scheduler.0.total_steps': 12,
        'train_cfg.val_interval': 12, 'default_hooks.checkpoint.interval': 1}))
    words = [str(file), '--data-root', str(data), '--work-dir', str(tmp_path / 'work')]
    folder = tmp_path / 'work/features/good/seed0'
    with open(tmp_path / 'said.txt', 'w') as said:
        started = subprocess.Popen(
            [sys.executable, str(ROOT / 'tools/analysis_tools/study.py'), *words], stdout=said,
            stderr=said, env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'))
    wait_for(folder / 'train/epoch_1.pth', started)
    started.send_signal(signal.SIGTERM)
    assert started.wait(PATIENCE) == 143
    assert not (folder / 'result.json').exists()
    assert 'stopped; the same command goes on with it' in (tmp_path / 'said.txt').read_text()
    before = json.loads((folder / 'started.json').read_text())['seconds']
    study.main(words)  # would find the run locked, if its training had outlived the study
    made = json.loads((folder / 'result.json').read_text())
    assert made['status'] == 'done' and made['seconds'] > before > 0
    assert [entry['iter'] for entry in made['curves']['train']] == [*range(1, 49)]
    resumed = (folder / 'output.txt').read_text().rsplit('resumed epoch: ', 1)
    assert len(resumed) == 2 and int(resumed[1].split(',')[0]) >= 1


def wait_for(path: Path, process: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
