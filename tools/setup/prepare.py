"""Make the local environment ready for training or for the tests. Called by the Makefile.

Goes through the stages below, as far as asked, and does those whose inputs changed since they were
last completed. Run it again after an interruption: it repairs what was cut short and goes on there.
Needs Python 3.8 or later and nothing else.
"""
from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import platform
import re
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

from damage import remove_damaged

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / 'requirements'
TESTED = runpy.run_path(str(ROOT / 'cbm_plugin' / 'versions.py'))['tested']()

# each stage, and the files that it depends on besides the table of tested versions
STAGES = {
    'python': [],
    'build tools': ['requirements/build.txt'],
    'torch': [],
    'train': ['requirements/runtime.txt', 'requirements/stack.txt', 'requirements/train.txt',
              'setup.py', 'pyproject.toml'],
    'tests': ['requirements/tests.txt'],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('goal', choices=['train', 'tests'])
    parser.add_argument('--folder', type=Path, default=ROOT / '.venv', help='the environment')
    parser.add_argument('--cache', type=Path, required=True, help='where compiled wheels are kept')
    parser.add_argument('--this-python', action='store_true',
                        help='recreate the environment if it has another Python than this one')
    parser.add_argument('--torch', help='version or pip requirement; default: the tested one')
    parser.add_argument('--torch-index', help='package index that has this torch')
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('set-up stopped'))
    try:
        with open(f'{arguments.folder}.lock', 'w', encoding='utf-8') as lock:
            wait_for(lock)
            environment = Environment(arguments.folder, arguments.cache, lock.fileno())
            environment.choose(arguments.this_python, arguments.torch, arguments.torch_index)
            environment.reach(arguments.goal)
    except KeyboardInterrupt:
        sys.exit('set-up interrupted: the same command goes on from here')


def wait_for(lock: Any) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say('another set-up of this environment is under way: waiting for it')
        fcntl.flock(lock, fcntl.LOCK_EX)


class Environment:
    """A virtual environment, with a record of the stages that it has completed.

    Args:
        folder: where it is or shall be.
        cache: folder in which compiled wheels are kept from one environment to the next.
        lock: file descriptor that children keep open, so that none outlives the lock.
    """

    def __init__(self, folder: Path, cache: Path, lock: int) -> None:
        self.folder, self.cache, self.lock = folder.resolve(), cache, lock
        self.python = self.folder / 'bin' / 'python'
        self.record_file = self.folder / 'cbm_plugin_setup.json'
        self.constraints = self.folder / 'constraints.txt'
        self.record: dict[str, Any] = {'done': {}, 'choices': {}}
        if self.record_file.exists():
            self.record = json.loads(self.record_file.read_text(encoding='utf-8'))
        elif self.folder.exists() and any(self.folder.iterdir()):
            fail(f'{self.folder} was not made by this set-up, which leaves it alone: '
                 f'use it as it is (make ... ENV={self.folder}), or move it away')
        if not self.python.exists():  # or is a link to a Python that is no more
            self.record['done'] = {}

    def save(self) -> None:
        """Write the record whole or not at all."""
        draft = self.record_file.with_suffix('.draft')
        draft.write_text(json.dumps(self.record, indent=1), encoding='utf-8')
        draft.replace(self.record_file)

    def choose(self, this_python: bool, torch: str | None, torch_index: str | None) -> None:
        """Take the choices given now; those not given stay as they were at the last set-up."""
        choices = self.record['choices']
        if this_python or 'python' not in choices:
            choices['python'] = platform.python_version()
        if torch or torch_index:
            choices['torch'] = [torch, torch_index]
        choices.setdefault('torch', [None, None])

    # -- stages

    def reach(self, goal: str) -> None:
        """Complete all stages up to the goal, leaving out what is completed already."""
        if self.record.get('changing') and 'python' in self.record['done']:
            self.repair()
        stages = list(STAGES)[:list(STAGES).index(goal) + 1]
        keys = self.keys()
        if all(self.record['done'].get(stage) == keys[stage] for stage in stages):
            return
        for number, stage in enumerate(stages, 1):
            if self.record['done'].get(stage) != keys[stage]:
                say(f'[{number}/{len(stages)}] {self.describe(stage)}')
                self.complete(stage, keys[stage])
        say(f'ready: {self.folder}')

    def keys(self) -> dict[str, str]:
        """For each stage a digest of all that its result depends on, earlier stages included."""
        digest = hashlib.sha256()
        keys = {}
        inputs = {'python': [self.record['choices']['python']],
                  'torch': self.record['choices']['torch'], 'train': [str(ROOT)]}
        for stage, files in STAGES.items():
            digest.update(json.dumps([stage, inputs.get(stage)]).encode())
            if stage != 'python':
                digest.update((REQUIREMENTS / 'tested.txt').read_bytes())
            for file in files:
                digest.update((ROOT / file).read_bytes())
            keys[stage] = digest.hexdigest()
        return keys

    def complete(self, stage: str, key: str) -> None:
        """Do one stage and record it. While it lasts the record says so."""
        if stage != 'python':
            self.record['changing'] = True
            for name in list(STAGES)[list(STAGES).index(stage):]:
                self.record['done'].pop(name, None)
            self.save()
        {'python': self.create, 'build tools': self.install_build_tools,
         'torch': self.install_torch, 'train': self.install_for_training,
         'tests': self.install_for_tests}[stage]()
        self.record['done'][stage] = key
        self.record['changing'] = False
        self.save()

    def describe(self, stage: str) -> str:
        return {'python': f'Python {self.record["choices"]["python"]} in {self.folder}',
                'build tools': 'build tools',
                'torch': f'{" from ".join(filter(None, self.torch()))} (large)',
                'train': 'MMAction2 and what it needs (a minute or two)',
                'tests': 'compiled mmcv, mmdet and test tools'}[stage]

    def create(self) -> None:
        """Make a new virtual environment, in place of any that is there."""
        self.record.update(done={}, mmcv=None)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.save()
        for old in set(self.folder.iterdir()) - {self.record_file}:
            old.unlink() if old.is_file() or old.is_symlink() else shutil.rmtree(old)
        self.run(sys.executable, '-m', 'venv', str(self.folder))
        self.pip('install', '--quiet', '--upgrade', 'pip')

    def install_build_tools(self) -> None:
        self.constrain()
        self.install('-r', str(REQUIREMENTS / 'build.txt'))

    def install_torch(self) -> None:
        requirement, index = self.torch()
        self.constrain()
        self.install(requirement, *(['--index-url', index] if index else []), quiet=False)

    def install_for_training(self) -> None:
        """The stack with mmcv-lite; a compiled mmcv that fits is kept."""
        self.constrain(self.output('-c', 'import torch; print(torch.__version__)'))
        if self.record.get('mmcv') == self.wheel('--key-only'):
            self.install('-r', str(REQUIREMENTS / 'stack.txt'))
        else:
            self.uninstall('mmcv', 'mmcv-lite')
            self.install('-r', str(REQUIREMENTS / 'train.txt'))
        self.install('--no-build-isolation', '--editable', str(ROOT))
        self.report()

    def install_for_tests(self) -> None:
        """The compiled mmcv in place of mmcv-lite or of one compiled for another torch."""
        key, folder = self.wheel('--key-only'), self.wheel()
        if self.record.get('mmcv') != key:
            self.uninstall('mmcv', 'mmcv-lite')
        self.install('--find-links', folder, '--only-binary', 'mmcv',
                     '-r', str(REQUIREMENTS / 'tests.txt'))
        self.record['mmcv'] = key
        self.report('--tests')

    # -- what the stages are made of

    def torch(self) -> tuple[str, str | None]:
        """The pip requirement and the index of the chosen torch."""
        requirement, index = self.record['choices']['torch']
        requirement = requirement or 'torch' + TESTED['torch']
        return (f'torch=={requirement}' if requirement[0].isdigit() else requirement), index

    def constrain(self, torch: str | None = None) -> None:
        """Write pip's constraints: the tested versions, but the chosen torch."""
        text = (REQUIREMENTS / 'tested.txt').read_text(encoding='utf-8')
        text = re.sub(r'^torch==.*$', f'torch=={torch}' if torch else '', text, flags=re.MULTILINE)
        self.constraints.write_text(text, encoding='utf-8')

    def wheel(self, *options: str) -> str:
        """The folder of the compiled mmcv, built first if need be; its key with --key-only."""
        return self.output(str(ROOT / 'tools' / 'setup' / 'mmcv_wheel.py'), *options,
                           '--mmcv', TESTED['mmcv'].lstrip('='), '--cache', str(self.cache))

    def repair(self) -> None:
        """After an interruption, remove what pip left half done."""
        say('the last set-up was interrupted: repairing')
        for site_packages in self.folder.glob('lib/python*/site-packages'):
            for name in remove_damaged(site_packages):
                say(f'  {name} was incomplete: it is installed anew')

    def install(self, *arguments: str, quiet: bool = True) -> None:
        self.pip('install', *(['--quiet'] if quiet else []),
                 '--constraint', str(self.constraints), *arguments)

    def uninstall(self, *names: str) -> None:
        self.pip('uninstall', '--quiet', '--quiet', '--yes', *names)

    def pip(self, *arguments: str) -> None:
        self.run(str(self.python), '-m', 'pip', '--disable-pip-version-check', *arguments)

    def report(self, *options: str) -> None:
        self.run(str(self.python), '-m', 'cbm_plugin', *options)

    def output(self, *arguments: str) -> str:
        return self.run(str(self.python), *arguments, stdout=subprocess.PIPE).strip()

    def run(self, *command: str, stdout: int | None = None) -> str:
        """Run a command; it is stopped when we are.

        Raises:
            SystemExit: it failed.
        """
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, cwd=ROOT,
                                   text=True, pass_fds=[self.lock])
        try:
            output, _ = process.communicate()
        except BaseException:
            stop(process)
            raise
        if process.returncode:
            fail(f'failed (exit {process.returncode}): {" ".join(command)}\n'
                 'Its messages are above. After a remedy the same command goes on from here.')
        return output or ''


def stop(process: subprocess.Popen) -> None:
    """End a child, giving it some seconds to end its own."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def say(text: str) -> None:
    print(f'set-up: {text}', file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    sys.exit(f'set-up: {text}')


if __name__ == '__main__':
    main()
