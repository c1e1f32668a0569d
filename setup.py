"""Packaging.

A built wheel carries configs, tools and the version table in ``cbm_plugin/.mim``, where OpenMMLab's
installer looks for them. A checkout and an editable install use them where they lie.
"""
import re
import runpy
import shutil
from pathlib import Path
from typing import Dict, List

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools', 'requirements', 'model-index.yml')
NOT_SHIPPED = shutil.ignore_patterns('__pycache__', '*.pyc', 'setup')  # that serves checkouts
VERSIONS = runpy.run_path(str(ROOT / 'cbm_plugin' / 'versions.py'))


class BuildWithMim(build_py):
    """Adds ``cbm_plugin/.mim`` to what is built, and leaves nothing in the source tree."""

    def run(self) -> None:
        if getattr(self, 'editable_mode', False):
            super().run()
            return
        package = Path(self.build_lib, 'cbm_plugin')
        shutil.rmtree(package, ignore_errors=True)  # an earlier build's, with what is now deleted
        super().run()
        mim = package / '.mim'
        mim.mkdir()
        for source in (ROOT / name for name in SHIPPED):
            if source.is_dir():
                shutil.copytree(source, mim / source.name, ignore=NOT_SHIPPED)
            elif source.exists():
                shutil.copy(source, mim)


def version() -> str:
    """The package's version, read without importing the package."""
    text = (ROOT / 'cbm_plugin' / '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE)[1]


def requirements(name: str) -> List[str]:
    """A list in requirements/ with those it includes, each at its tested version."""
    text = (ROOT / 'requirements' / name).read_text(encoding='utf-8')
    included = [line for other in re.findall(r'^-r (\S+)', text, re.MULTILINE)
                for line in requirements(other)]
    tested: Dict[str, str] = VERSIONS['tested']()
    return included + [package + tested.get(package, '') for package in VERSIONS['parse'](text)]


def description() -> str:
    readme = ROOT / 'README.md'
    return readme.read_text(encoding='utf-8') if readme.exists() else ''


setup(
    name='cbm_plugin',
    version=version(),
    description='The Context Bridge Module and Overlap Coherence Training for MMAction2',
    long_description=description(),
    long_description_content_type='text/markdown',
    packages=find_packages(include=['cbm_plugin', 'cbm_plugin.*']),
    python_requires='>=3.8',
    install_requires=requirements('runtime.txt'),
    extras_require={'train': requirements('train.txt')},
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
