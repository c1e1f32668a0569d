"""The built wheel, the set-up that installs it (tools/setup), and which way imports go."""
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import cbm_plugin
from cbm_plugin import versions

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {  # an application's folders, from below up
    'polygon': ('geometry', 'data', 'network', 'annotation', 'evaluation'),
    'prediction': ('data', 'network', 'evaluation', 'training', 'pictures'),
}
sys.path.insert(0, str(ROOT / 'tools' / 'setup'))


def pip(*arguments):
    run = subprocess.run([sys.executable, '-m', 'pip', '--disable-pip-version-check', *arguments],
                         text=True, capture_output=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A copy of what is needed to build, since a build leaves its folders beside the source."""
    copy = tmp_path_factory.mktemp('source') / 'repository'
    copy.mkdir()
    for name in ('cbm_plugin', 'configs', 'tools', 'requirements'):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'model-index.yml'):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp('wheel')
    stale = source / 'build' / 'lib' / 'cbm_plugin' / 'deleted_long_ago.py'
    stale.parent.mkdir(parents=True)
    stale.touch()
    pip('wheel', '--no-deps', '--no-build-isolation', '--wheel-dir', str(folder), str(source))
    return next(folder.glob('*.whl'))


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp('installed')
    pip('install', '--no-deps', '--no-index', '--target', str(folder), str(wheel))
    return folder


def files(root, folder):
    return {path.relative_to(root).as_posix() for path in (root / folder).rglob('*')
            if path.is_file()}


def test_the_wheel_carries_all_configs_and_tools_and_the_table_of_versions(source, wheel):
    carried = set(zipfile.ZipFile(wheel).namelist())
    expected = files(source, 'configs') | files(source, 'tools') - files(source, 'tools/setup')
    expected.add('requirements/tested.txt')
    assert {f'cbm_plugin/.mim/{file}' for file in expected} <= carried


def test_the_wheel_carries_every_module_and_none_that_was_deleted(source, wheel):
    carried = {name for name in zipfile.ZipFile(wheel).namelist()
               if name.endswith('.py') and not name.startswith('cbm_plugin/.mim/')}
    assert carried == {file for file in files(source, 'cbm_plugin') if file.endswith('.py')}


def test_the_wheel_forces_neither_torch_nor_mmcv_nor_mmdet_nor_numpy(wheel):
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(next(n for n in archive.namelist() if n.endswith('/METADATA'))).decode()
    required = [line.split(': ')[1] for line in metadata.splitlines()
                if line.startswith('Requires-Dist') and 'extra ==' not in line]
    assert required == ['importlib-metadata']
    assert f'Version: {cbm_plugin.__version__}\n' in metadata


def test_the_report_of_an_installed_wheel_reads_the_table_in_it(installed):
    code = (f'import sys; sys.path.insert(0, {str(installed)!r})\n'
            'from cbm_plugin import environment, versions\n'
            'print(versions.table_path()); sys.exit(environment.main([]))')
    run = subprocess.run([sys.executable, '-c', code], cwd=installed, text=True,
                         capture_output=True)
    table = installed / 'cbm_plugin' / '.mim' / 'requirements' / 'tested.txt'
    assert run.stdout.splitlines()[0] == str(table)
    assert f'tested versions from {table}' in run.stdout
    assert run.returncode == 0, run.stdout


def test_an_editable_install_copies_nothing_into_the_package(source, tmp_path):
    before = {path for path in (source / 'cbm_plugin').rglob('*')}
    pip('install', '--no-deps', '--no-index', '--no-build-isolation', '--target', str(tmp_path),
        '--editable', str(source))
    assert {path for path in (source / 'cbm_plugin').rglob('*')} == before


def test_every_requirement_list_names_what_the_stack_was_tested_with():
    table = versions.tested()
    for name in ('mmengine', 'mmaction2', 'mmcv', 'mmcv-lite', 'mmdet', 'torch', 'decord'):
        assert table[name].startswith('=='), f'{name} has no tested version'
    listed = {name for file in (ROOT / 'requirements').glob('*.txt') if file.name != 'tested.txt'
              for name in versions.parse(file.read_text())}
    assert table.keys() - {'python', 'torch'} <= listed



@pytest.mark.parametrize('room, number, folder', [
    (room, number, folder) for room, folders in ROOMS.items()
    for number, folder in enumerate(folders)])
def test_the_folders_of_an_application_import_one_way(room, number, folder):
    below = {folder, *ROOMS[room][:number]}
    for file in (ROOT / 'cbm_plugin' / room / folder).glob('*.py'):
        text = file.read_text()
        imported = set(re.findall(r'^\s*from \.\.(\w+)', text, re.MULTILINE))
        assert imported <= below, f'{file} imports {imported - below}'
        if folder == 'geometry':
            assert not re.search(r'^\s*(import|from) (torch|mm\w+|\.\.)', text, re.MULTILINE), file



# -- tools/setup


def a_distribution(site, name, *modules):
    """Lay down an installed distribution as pip does."""
    info = site / f'{name}-1.0.dist-info'
    info.mkdir()
    for module in modules:
        (site / module).write_text('')
    written = [*modules, f'{info.name}/METADATA', f'{info.name}/RECORD']
    (info / 'METADATA').write_text(f'Name: {name}\nVersion: 1.0\n')
    (info / 'RECORD').write_text(''.join(f'{file},,\n' for file in written))
    return info


def test_what_was_cut_short_is_removed_and_what_is_whole_stays(tmp_path):
    from damage import remove_damaged
    whole = a_distribution(tmp_path, 'whole', 'whole.py', 'shared.py')
    half_removed = a_distribution(tmp_path, 'half_removed', 'gone.py', 'left.py', 'shared.py')
    (tmp_path / 'gone.py').unlink()
    half_installed = a_distribution(tmp_path, 'half_installed', 'early.py')
    (half_installed / 'RECORD').unlink()
    (tmp_path / '~stash').mkdir()
    assert remove_damaged(tmp_path) == ['half_installed', 'half_removed']
    assert whole.exists() and (tmp_path / 'shared.py').exists()
    assert not any(path.exists() for path in (half_removed, half_installed, tmp_path / 'left.py',
                                              tmp_path / '~stash'))


def compile_mmcv(cache, version, **environment):
    return subprocess.run([sys.executable, ROOT / 'tools' / 'setup' / 'mmcv_wheel.py',
                           '--mmcv', version, '--cache', cache], text=True, capture_output=True,
                          env={**os.environ, 'PIP_NO_INDEX': '1', **environment})


def test_a_compiled_wheel_is_kept_whole_and_not_compiled_again(tmp_path):
    source = tmp_path / 'mmcv-0.0.0'
    (source / 'mmcv').mkdir(parents=True)
    (source / 'mmcv' / '__init__.py').touch()
    (source / 'mmcv' / '_ext.py').touch()
    (source / 'setup.py').write_text('from setuptools import setup\n'
                                     'setup(name="mmcv", version="0.0.0", packages=["mmcv"])\n')
    shutil.make_archive(str(source), 'gztar', tmp_path, source.name)
    first = compile_mmcv(tmp_path / 'cache', '0.0.0', PIP_FIND_LINKS=str(tmp_path))
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert folder.parent == tmp_path / 'cache' / 'wheels'
    assert [path.name for path in folder.iterdir()] == ['mmcv-0.0.0-py3-none-any.whl']
    second = compile_mmcv(tmp_path / 'cache', '0.0.0', PIP_FIND_LINKS='nowhere')
    assert (second.returncode, second.stdout) == (0, first.stdout)


def test_a_failed_compilation_leaves_no_wheel_behind(tmp_path):
    run = compile_mmcv(tmp_path, '0.0.0.dev0')
    assert run.returncode != 0
    assert 'mmcv 0.0.0.dev0 could not be compiled' in run.stderr
    assert [path.suffix for path in (tmp_path / 'wheels').iterdir()] == ['.lock']


def test_the_set_up_leaves_an_environment_alone_that_it_did_not_make(tmp_path):
    (tmp_path / 'own').mkdir()
    (tmp_path / 'own' / 'pyvenv.cfg').write_text('home = /usr\n')
    run = subprocess.run([sys.executable, ROOT / 'tools' / 'setup' / 'prepare.py', 'train',
                          '--folder', tmp_path / 'own', '--cache', tmp_path], text=True,
                         capture_output=True)
    assert run.returncode == 1
    assert 'was not made by this set-up' in run.stderr and 'ENV=' in run.stderr
    assert [path.name for path in (tmp_path / 'own').iterdir()] == ['pyvenv.cfg']
