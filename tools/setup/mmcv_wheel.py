"""Compile mmcv for the running Python and its torch, into a cache. Prints the wheel's folder.

Run by the set-up inside the environment that will use the wheel. The folder appears in the cache
whole or not at all: whatever stops the build leaves nothing that a later run would take for it.
"""
from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path
from typing import TextIO

LIFE_SIGN_SECONDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--mmcv', required=True, help='version, such as 2.1.0')
    parser.add_argument('--cache', required=True, type=Path, help='wheels are kept in its wheels/')
    parser.add_argument('--key-only', action='store_true', help='print the key, build nothing')
    arguments = parser.parse_args()
    name = key(arguments.mmcv)
    if arguments.key_only:
        print(name)
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit('mmcv: compilation stopped'))  # runs `finally`
    print(cached_wheel(arguments.mmcv, arguments.cache / 'wheels', name))


def key(mmcv: str) -> str:
    """Names all that the compiled operators depend on: two wheels with one key are alike."""
    import torch
    # mmcv's setup.py asks the same
    cuda = torch.cuda.is_available() or os.environ.get('FORCE_CUDA') == '1'
    device = f'cuda{torch.version.cuda}' if cuda else 'cpu'
    platform = re.sub(r'\W', '_', sysconfig.get_platform())
    python = sys.implementation.cache_tag
    return f'mmcv-{mmcv}-torch-{torch.__version__}-{device}-{python}-{platform}'


def cached_wheel(mmcv: str, wheels: Path, name: str) -> Path:
    """The folder with the wheel, built first where it is missing."""
    folder = wheels / name
    if folder.is_dir():
        say(f'mmcv {mmcv}: compiled before, {folder}')
        return folder
    wheels.mkdir(parents=True, exist_ok=True)
    with open(wheels / f'{name}.lock', 'w', encoding='utf-8') as lock:
        wait_for(lock)
        if folder.is_dir():  # built by another while we waited
            return folder
        for dead in wheels.glob(f'{name}.unfinished-*'):  # nobody builds there: we hold the lock
            shutil.rmtree(dead, ignore_errors=True)
        unfinished = wheels / f'{name}.unfinished-{os.getpid()}'
        unfinished.mkdir()
        try:
            build(mmcv, unfinished)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def wait_for(lock: TextIO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say('another process is compiling the same wheel: waiting for it')
        fcntl.flock(lock, fcntl.LOCK_EX)


def build(mmcv: str, folder: Path) -> None:
    """Compile the wheel into a folder.

    Raises:
        SystemExit: the compilation failed or made no operators. The log's end is printed.
    """
    work = folder / 'work'
    work.mkdir()
    log = work / 'log.txt'
    # pip's own cache of wheels does not know for which torch a wheel was compiled: not used
    command = [sys.executable, '-m', 'pip', 'wheel', '--verbose', '--no-cache-dir', '--no-deps',
               '--no-build-isolation', '--wheel-dir', str(folder), f'mmcv=={mmcv}']
    environment = {**os.environ, 'MMCV_WITH_OPS': '1', 'TMPDIR': str(work)}
    say(f'mmcv {mmcv}: compiling its operators, once for this Python and torch. '
        'This takes 6 to 10 minutes on 2 cores.')
    started = time.monotonic()
    with open(log, 'w', encoding='utf-8') as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, env=environment,
                                   start_new_session=True)
        try:
            show_life(process, log, started)
        finally:
            end(process)
    if process.returncode or not has_operators(folder):
        tail = '\n'.join(log.read_text(encoding='utf-8', errors='replace').splitlines()[-40:])
        raise SystemExit(f'{tail}\nmmcv {mmcv} could not be compiled (exit {process.returncode}). '
                         'It needs a C++ compiler and the headers of this Python.')
    shutil.rmtree(work)
    say(f'mmcv {mmcv}: compiled in {minutes(time.monotonic() - started)}')


def show_life(process: subprocess.Popen, log: Path, started: float) -> None:
    """Say every little while how far the compilation is, until it ends."""
    while True:
        try:
            process.wait(LIFE_SIGN_SECONDS)
            return
        except subprocess.TimeoutExpired:
            text = log.read_text(encoding='utf-8', errors='replace')
            steps = re.findall(r'\[(\d+)/(\d+)\]', text)  # as ninja counts
            done = f', {steps[-1][0]} of {steps[-1][1]} files' if steps else ''
            say(f'  still compiling: {minutes(time.monotonic() - started)}{done}')


def end(process: subprocess.Popen) -> None:
    """Stop the build with the compilers that it started, if it still runs."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)  # ninja ends its compilers; killed, it would leave them
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def has_operators(folder: Path) -> bool:
    """Whether the folder holds one wheel of mmcv, and in it the compiled operators."""
    wheels = list(folder.glob('mmcv-*.whl'))
    if len(wheels) != 1:
        return False
    with zipfile.ZipFile(wheels[0]) as wheel:
        return any(name.startswith('mmcv/_ext') for name in wheel.namelist())


def minutes(seconds: float) -> str:
    return f'{int(seconds) // 60} min {int(seconds) % 60} s'


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == '__main__':
    main()
