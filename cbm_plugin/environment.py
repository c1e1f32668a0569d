"""The environment report: what is installed, what was tested, what works, what to install.

``python -m cbm_plugin`` prints it and exits with 1 where something needed is missing or broken.
A version other than the tested one is a warning only.
"""
from __future__ import annotations

import argparse
import importlib
import os
import platform
import shlex
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Callable, NamedTuple, Sequence

from . import __version__, compat, versions

NEEDED, POLYGONS, TESTS = 'needed', 'only for the polygon models', 'only for the tests'

# modules whose distribution has another name
DISTRIBUTIONS = {'cv2': 'opencv-python', 'PIL': 'pillow', 'yaml': 'pyyaml',
                 'pkg_resources': 'setuptools', 'mmaction': 'mmaction2'}


class Package(NamedTuple):
    """A module that must import, from any one of some distributions.

    ``brings`` is what its installation would bring along in a version that does not fit.
    """
    module: str
    distributions: tuple[str, ...]
    role: str = NEEDED
    brings: tuple[str, ...] = ()


PACKAGES = (
    Package('torch', ('torch',)),
    Package('numpy', ('numpy',)),
    Package('scipy', ('scipy',)),
    Package('cv2', ('opencv-python', 'opencv-contrib-python', 'opencv-python-headless',
                    'opencv-contrib-python-headless')),
    Package('pkg_resources', ('setuptools',)),
    Package('decord', ('decord',)),
    Package('einops', ('einops',)),
    Package('matplotlib', ('matplotlib',)),
    Package('mmengine', ('mmengine', 'mmengine-lite')),
    Package('mmcv', ('mmcv-lite', 'mmcv')),
    Package('mmaction.models', ('mmaction2',), brings=('opencv-contrib-python',)),
    Package('mmdet.models', ('mmdet',), POLYGONS),
    Package('pytest', ('pytest',), TESTS),
    Package('pytest_cov', ('pytest-cov',), TESTS),
    Package('xdist', ('pytest-xdist',), TESTS),
    Package('hypothesis', ('hypothesis',), TESTS),
    Package('onnx', ('onnx',), TESTS),
    Package('onnxscript', ('onnxscript',), TESTS),
    Package('onnxruntime', ('onnxruntime', 'onnxruntime-gpu'), TESTS),
)


@dataclass
class Report:
    """What the report says, and what follows from it.

    Args:
        tests: whether what only the tests and the polygon models need counts as needed.
    """
    tests: bool = False
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    tested: dict[str, str] = field(default_factory=versions.tested)

    def counts(self, role: str) -> bool:
        """Whether a lack of something in this role is a problem."""
        return role == NEEDED or self.tests

    def pinned(self, *distributions: str) -> list[str]:
        """Distributions as pip requirements, each with its tested version."""
        return [name + self.tested.get(name, '') for name in distributions]

    def command(self, *words: str) -> None:
        """Name a pip command that repairs something."""
        if shlex.join(words) not in self.commands:
            self.commands.append(shlex.join(words))

    def install(self, *distributions: str) -> None:
        """Name distributions in the one ``pip install`` line, each at its tested version."""
        for name in distributions:
            if name == 'mmcv':  # is compiled, and needs the torch that is there
                self.command('install', '--no-build-isolation', *self.pinned(name))
            elif not set(self.pinned(name)) <= set(self.requirements):
                self.requirements += self.pinned(name)

    def text(self) -> str:
        """The whole report. Its end says what to do."""
        lines = [*self.lines, '', *(f'warning: {warning}' for warning in self.warnings)]
        if not self.problems:
            return '\n'.join([*lines, 'ready'])
        lines += [f'problem: {problem}' for problem in self.problems] + ['to repair:']
        install = [shlex.join(['install', *self.requirements])] if self.requirements else []
        pip = f'{shlex.quote(sys.executable)} -m pip'
        return '\n'.join([*lines, *(f'  {pip} {command}' for command in install + self.commands)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report. Returns the exit status: 0 where everything needed works, else 1."""
    parser = argparse.ArgumentParser(prog='python -m cbm_plugin', description='environment report')
    parser.add_argument('--tests', action='store_true',
                        help='count as needed what the tests need: compiled mmcv, mmdet, pytest')
    report = examine(parser.parse_args(arguments).tests)
    print(report.text())
    return 1 if report.problems else 0


def examine(tests: bool = False) -> Report:
    """Look at the running interpreter's environment, import what it should have, and try it."""
    report = Report(tests)
    _heading(report)
    _packages(report)
    _faults(report)
    _abilities(report)
    _devices(report)
    return report


def _heading(report: Report) -> None:
    python = '.'.join(platform.python_version_tuple()[:2])
    specifier = report.tested.get('python', '')
    report.lines += [f'cbm_plugin {__version__} in {versions.PACKAGE}',
                     f'Python {platform.python_version()} on {platform.platform()}',
                     f'tested versions from {versions.table_path()}']
    if not versions.satisfies(python, specifier):
        report.warnings.append(f'Python {python}: tested with {specifier}')


# -- packages


def _packages(report: Report) -> None:
    report.lines += ['', f'{"package":24}{"installed":16}{"tested":16}verdict']
    for package in PACKAGES:
        found = installed_versions(package.distributions)
        error = _import_error(package.module)
        for name in found or package.distributions[:1]:
            verdict = _verdict(report, package, name, found.get(name), error)
            report.lines.append(f'{name:24}{found.get(name, "-"):16}'
                                f'{report.tested.get(name, "any"):16}{verdict}')
        if {'mmcv', 'mmcv-lite'} <= found.keys():
            report.problems.append('mmcv and mmcv-lite are both installed and overwrite each other')
            report.command('uninstall', '--yes', 'mmcv', 'mmcv-lite')
            report.command('install', *report.pinned('mmcv-lite'))
        elif error and report.counts(package.role):
            _complain(report, package, found, error)


def installed_versions(distributions: Sequence[str]) -> dict[str, str]:
    """The versions of those of the distributions that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def _import_error(module: str) -> Exception | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # pkg_resources announces its end
            importlib.import_module(module)
    except Exception as error:  # whatever a broken package raises is what we report
        return error
    return None


def _verdict(report: Report, package: Package, name: str, installed: str | None,
             error: Exception | None) -> str:
    if error:
        state = 'fails to import' if installed else 'missing'
        return state if package.role == NEEDED else f'{state}, {package.role}'
    specifier = report.tested.get(name, '')
    if installed is None or versions.satisfies(installed, specifier):
        return 'ok'
    report.warnings.append(f'{name} {installed}: tested with {specifier}')
    return 'differs'


def _complain(report: Report, package: Package, found: dict[str, str], error: Exception) -> None:
    """Make a failed import a problem, and find the pip command that repairs it."""
    top = package.module.split('.')[0]
    missing = (error.name or '').split('.')[0] if isinstance(error, ModuleNotFoundError) else ''
    wanted = package.distributions[0]
    if not found and missing == top:
        report.problems.append(f'{wanted} is not installed')
        if not (report.tests and top == 'mmcv'):  # then the compiled one is asked for below
            report.install(wanted, *package.brings)
        return
    report.problems.append(f'{wanted} fails to import: {type(error).__name__}: {error}')
    if missing == 'mmcv':
        return  # it, or its operators, are a problem of their own
    if missing not in ('', top):
        report.install(DISTRIBUTIONS.get(missing, missing))
    else:
        _repair(report, tuple(found) or (wanted,))


def _repair(report: Report, distributions: Sequence[str]) -> None:
    """Install again what is there and broken, and the tested version of what differs."""
    others = [name for package in PACKAGES[1:] if report.counts(package.role)
              for name in package.distributions]  # never touch somebody's torch for another's sake
    for names in (distributions, others):
        differing = [name for name, installed in installed_versions(names).items()
                     if not versions.satisfies(installed, report.tested.get(name, ''))]
        if differing:
            report.install(*differing)
            return
    report.command('install', '--force-reinstall', '--no-deps', *report.pinned(*distributions))


# -- what works


def _faults(report: Report) -> None:
    report.lines += ['', 'faults of upstream packages']
    for fault in compat.absorb():
        state = 'absorbed' if fault.absorbed else 'not present'
        if fault.error:
            state = f'not absorbed ({fault.error})'
            report.warnings.append(f'{fault.name} ({fault.issue}): {state}')
        report.lines.append(f'{fault.name} ({fault.issue}): {state}')


def _abilities(report: Report) -> None:
    report.lines += ['', 'what works']
    _try(report, 'MMAction2 registers its modules', _register_modules, ['mmaction2'])
    _try(report, 'decord reads a video that OpenCV wrote', _read_a_video,
         ['decord', 'opencv-python'])
    error = _import_error('mmcv.ops')
    report.lines.append(f'compiled operators of mmcv: {f"no, {POLYGONS}" if error else "yes"}')
    if error and report.counts(POLYGONS):
        report.problems.append(f'no compiled operators of mmcv: {type(error).__name__}: {error}')
        if installed_versions(['mmcv-lite']):
            report.command('uninstall', '--yes', 'mmcv-lite')
        report.install('mmcv')


def _try(report: Report, name: str, attempt: Callable[[], str], suspects: list[str]) -> None:
    try:
        result = attempt()
    except Exception as error:
        result = f'no ({type(error).__name__}: {error})'
        if not report.problems:  # else it only follows from what was said before
            report.problems.append(f'{name}: {result}')
            _repair(report, suspects)
    report.lines.append(f'{name}: {result}')


def _register_modules() -> str:
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules
    register_all_modules(init_default_scope=False)
    return f'yes, {len(MODELS)} models'


def _read_a_video() -> str:
    import cv2
    import numpy as np
    from decord import VideoReader
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'video.mp4'))
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'mp4v'), 5, (64, 64))
        for brightness in (0, 128, 255):
            writer.write(np.full((64, 64, 3), brightness, dtype=np.uint8))
        writer.release()
        frames = len(VideoReader(path))
    if frames != 3:
        raise RuntimeError(f'{frames} frames read, 3 written')
    return 'yes'


def _devices(report: Report) -> None:
    report.lines += ['', 'devices', f'CPU: {os.cpu_count()} cores, {cpu_features()}']
    try:
        import torch
        cuda = torch.version.cuda
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        report.lines[-1] += f', torch uses {torch.get_num_threads()} threads'
    except Exception:  # said among the packages
        return
    kind = f'built for CUDA {cuda}' if cuda else 'a build without CUDA'
    report.lines.append(f'GPU: {", ".join(names) or "none"} (torch is {kind})')


def cpu_features() -> str:
    """What of the CPU's instruction sets matters to the speed of training, in words."""
    try:
        flags = Path('/proc/cpuinfo').read_text(encoding='utf-8').split()
    except OSError:
        return 'features unknown'
    features = {'avx512f': 'AVX-512', 'avx512_bf16': 'bf16', 'amx_bf16': 'bf16 in AMX'}
    return ', '.join(text for flag, text in features.items() if flag in flags) or 'no bf16'
