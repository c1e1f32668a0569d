"""The environment report, run in real environments that lack, break or change something."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cbm_plugin import versions
from cbm_plugin.environment import PACKAGES

ROOT = Path(__file__).resolve().parents[1]
SITES = [Path(path) for path in sys.path if path.endswith('site-packages')]


class Environment:
    """This interpreter with a site-packages of links to this one's, less some packages."""

    def __init__(self, folder, without=()):
        self.site = folder / 'site'
        self.site.mkdir()
        for entry in (entry for site in reversed(SITES) for entry in site.iterdir()):
            link = self.site / entry.name
            if entry.name.split('-')[0].split('.')[0] not in without and not link.exists():
                link.symlink_to(entry)

    def add(self, package, text='', distribution=None, version=None):
        """Add a module, or the metadata of a distribution, or both."""
        if package:
            (self.site / package).mkdir()
            (self.site / package / '__init__.py').write_text(text)
        if distribution:
            info = self.site / f'{distribution.replace("-", "_")}-{version}.dist-info'
            info.mkdir()
            (info / 'METADATA').write_text(f'Name: {distribution}\nVersion: {version}\n')
        return self

    def report(self, *options):
        """The report's exit status and lines."""
        code = (f'import sys; sys.path[:0] = [{str(ROOT)!r}, {str(self.site)!r}]; '
                f'from cbm_plugin.environment import main; sys.exit(main({list(options)}))')
        run = subprocess.run([sys.executable, '-S', '-c', code], cwd=self.site, text=True,
                             capture_output=True)
        assert 'Traceback' not in run.stderr, run.stderr
        return run.returncode, run.stdout.splitlines()


def mmcv_lite(folder):
    """An environment with mmcv-lite: mmcv without its operators."""
    environment = Environment(folder, without=['mmcv', 'mmcv_lite'])
    import mmcv
    environment.add('mmcv', distribution='mmcv-lite', version='2.1.0')
    (environment.site / 'mmcv' / '__init__.py').unlink()
    for entry in Path(mmcv.__file__).parent.iterdir():
        if entry.name != 'ops' and not entry.name.startswith('_ext'):
            (environment.site / 'mmcv' / entry.name).symlink_to(entry)
    return environment


def test_it_names_versions_faults_and_devices_and_succeeds_where_all_is_there():
    run = subprocess.run([sys.executable, '-m', 'cbm_plugin', '--tests'], cwd=ROOT, text=True,
                         capture_output=True)
    assert run.returncode == 0, run.stdout + run.stderr
    for expected in ('tested versions from', 'mmaction2               ',
                     'mmaction2#2714): absorbed', 'mmengine#1655): absorbed',
                     'MMAction2 registers its modules: yes', 'OpenCV wrote: yes',
                     'compiled operators of mmcv: yes', 'CPU: ', 'GPU: '):
        assert expected in run.stdout
    assert run.stdout.endswith('ready\n')


def test_it_fails_without_decord_and_says_what_to_install(tmp_path):
    status, lines = Environment(tmp_path, without=['decord']).report()
    assert status == 1
    assert 'problem: decord is not installed' in lines
    assert lines[-1].endswith('-m pip install decord==0.6.0')


def test_without_anything_it_still_reports_and_names_all_that_is_needed(tmp_path):
    environment = Environment(tmp_path)
    for link in environment.site.iterdir():
        link.unlink()
    status, lines = environment.report()
    assert status == 1
    for requirement in ('torch==', 'mmengine==', 'mmcv-lite==', 'mmaction2==', 'decord=='):
        assert requirement in lines[-1]


def test_a_package_that_lacks_its_own_dependency_gets_that_dependency(tmp_path):
    status, lines = Environment(tmp_path, without=['addict']).report()
    assert status == 1
    reason = "ModuleNotFoundError: No module named 'addict'"
    assert f'problem: mmengine fails to import: {reason}' in lines
    assert lines[-1].endswith('-m pip install addict')


def test_a_package_that_fails_to_import_is_named_with_the_reason(tmp_path):
    environment = Environment(tmp_path, without=['decord'])
    environment.add('decord', 'raise OSError("libavcodec is gone")', 'decord', '0.6.0')
    status, lines = environment.report()
    assert status == 1
    assert 'problem: decord fails to import: OSError: libavcodec is gone' in lines
    assert lines[-1].endswith('-m pip install --force-reinstall --no-deps decord==0.6.0')


def test_mmcv_and_mmcv_lite_together_are_a_fault(tmp_path):
    environment = Environment(tmp_path, without=['mmcv_lite'])
    status, lines = environment.add(None, '', 'mmcv-lite', '2.1.0').report()
    assert status == 1
    assert 'problem: mmcv and mmcv-lite are both installed and overwrite each other' in lines
    assert lines[-2].endswith('-m pip uninstall --yes mmcv mmcv-lite')
    assert lines[-1].endswith('-m pip install mmcv-lite==2.1.0')


def test_mmcv_lite_is_enough_except_for_the_tests_and_polygons(tmp_path):
    environment = mmcv_lite(tmp_path)
    status, lines = environment.report()
    assert (status, lines[-1]) == (0, 'ready')
    assert 'compiled operators of mmcv: no, only for the polygon models' in lines
    status, lines = environment.report('--tests')
    assert status == 1
    assert lines[-2].endswith('-m pip uninstall --yes mmcv-lite')
    assert lines[-1].endswith('-m pip install --no-build-isolation mmcv==2.1.0')


def test_untested_versions_are_warnings_and_no_failure(tmp_path):
    environment = Environment(tmp_path)
    others = {'scipy': '1.99.0', 'matplotlib': '3.0.0', 'torch': '2.6.0+cu124',
              'mmengine': '0.10.4'}
    for name, other in others.items():
        next(environment.site.glob(f'{name}-*.dist-info')).unlink()
        environment.add(None, '', name, other)
    status, lines = environment.report()
    assert (status, lines[-1]) == (0, 'ready')
    table = versions.tested()
    for name, other in others.items():
        assert f'warning: {name} {other}: tested with {table[name]}' in lines


def test_an_untested_python_is_a_warning_and_no_failure(tmp_path):
    source = tmp_path / 'source'
    shutil.copytree(ROOT / 'cbm_plugin', source / 'cbm_plugin')
    (source / 'requirements').mkdir()
    table = (ROOT / 'requirements' / 'tested.txt').read_text()
    (source / 'requirements' / 'tested.txt').write_text(
        table.replace('# python==', '# python==0.'))
    run = subprocess.run([sys.executable, '-m', 'cbm_plugin'], cwd=source, text=True,
                         capture_output=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f'tested with =={"0." + versions.tested()["python"].lstrip("=")}' in run.stdout


def test_everything_the_report_looks_at_has_a_tested_version():
    table = versions.tested()
    for package in PACKAGES:
        assert table.get(package.distributions[0]), package


def test_a_tested_range_has_two_ends():
    for name, specifier in versions.tested().items():
        assert specifier.startswith('==') or ('>=' in specifier and ',<' in specifier), name


def test_the_readme_names_the_versions_of_the_table():
    assert versions.summary() in (ROOT / 'README.md').read_text(), (
        f'put this into README.md: {versions.summary()}')


@pytest.mark.parametrize('page', ['README.md', 'docs/setup.md', 'docs/reliability.md'])
def test_pages_name_no_python_but_the_tested_one(page):
    named = set(re.findall(r'(?<!-)[Pp]ython ?(\d\.\d+)', (ROOT / page).read_text()))
    assert named <= {versions.tested()['python'].lstrip('=')}


@pytest.mark.parametrize(('version', 'specifier', 'expected'), [
    ('2.13.0+cpu', '==2.13.0', True), ('2.13', '==2.13.0', True), ('2.14.0', '==2.13.0', False),
    ('1.26.4', '<2', True), ('2.0.0', '<2', False), ('4.11.0.86', '<4.12', True),
    ('1.10.0', '>=1.9,<2', True), ('1.8', '>=1.9,<2', False), ('2.0.0rc4', '!=2.0', False),
    ('anything', '', True),
])
def test_versions_are_compared_by_number(version, specifier, expected):
    assert versions.satisfies(version, specifier) is expected


def test_a_specifier_that_cannot_be_read_is_named():
    with pytest.raises(ValueError, match='~=1.0'):
        versions.satisfies('1.0', '~=1.0')


def test_the_table_is_read_without_comments_and_with_python():
    text = '# python==3.11\n# prose\n-r other.txt\nOpenCV_Python <4.12 # why\nninja\n'
    assert versions.parse(text) == {'python': '==3.11', 'opencv-python': '<4.12', 'ninja': ''}
