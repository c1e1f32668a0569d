"""One run: tools/train.py in a process of its own, watched, and what it left read into a result."""
import fcntl
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Dict, List, NamedTuple, Optional, Tuple

from mmengine.config import Config

from cbm_plugin.engine.termination import EXIT_CODE
from cbm_plugin.files import write_text

from .configs import as_file
from .definition import Options
from .logs import read_curves, read_test
from .store import DIVERGED, DONE, FAILED, Fingerprint, Result, Run, write_result

OF_LAUNCHERS = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR',
                'MASTER_PORT', 'GROUP_RANK', 'ROLE_RANK', 'ROLE_WORLD_SIZE')
"""Variables that would tell a training that it is one of several processes."""
STOPPED = (-signal.SIGINT, -signal.SIGTERM, EXIT_CODE)
"""Exit codes of a training that was told to stop, and goes on at the next start."""


class Order(NamedTuple):
    """All that a run needs to start, and all that its result repeats."""
    run: Run
    study: str
    config: Config
    code: Path
    fingerprint: Fingerprint
    options: Options
    parameters: Optional[int]


class Training:
    """A started run. :meth:`poll` it until it has ended, or :meth:`stop` it.

    What a run of the same fingerprint left half done is gone on with; of another it is deleted.

    Args:
        order: what to train.
        threads: that it may compute with.

    Raises:
        BlockingIOError: another process is at this run.
    """

    def __init__(self, order: Order, threads: int) -> None:
        self.order, self.folder = order, order.run.folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = _locked(self.folder / 'lock')
        self.before = self._left_by_others()
        write_text(self.folder / 'config.py', as_file(order.config))
        self.start, self.peak = time.monotonic(), 0.0
        self.machine = f'{_processor()}, {threads} thread{"s" * (threads > 1)}'
        environment = {name: value for name, value in os.environ.items()
                       if name not in OF_LAUNCHERS}
        paths = [str(order.code), environment.get('PYTHONPATH', '')]
        environment.update(OMP_NUM_THREADS=str(threads),
                           PYTHONPATH=os.pathsep.join(path for path in paths if path))
        with open(self.folder / 'output.txt', 'ab') as output:
            # of a session of its own: Ctrl-C reaches the study, which then stops its trainings
            self.process = subprocess.Popen(
                self._command(), env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
                pass_fds=(self.lock.fileno(),))  # it holds the lock if this process is killed

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.start

    def poll(self) -> Optional[Result]:
        """None while it runs, else its result, which is also written.

        Raises:
            InterruptedError: somebody else told the training to stop.
        """
        self.peak = max(self.peak, _peak_memory(self.process.pid))
        pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
        if not pid:
            return None
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        self._ended(code, used)
        if code in STOPPED:
            self.lock.close()
            raise InterruptedError(f'the training of {self.order.run} was stopped from outside')
        result = self._result(code)
        write_result(self.folder, result)
        for checkpoint in (self.folder / 'train').glob('*.pth'):
            if not checkpoint.name.startswith('nonfinite') and result['status'] != FAILED:
                checkpoint.unlink()  # gigabytes, of which nothing is asked any more
        self.lock.close()
        return result

    def stop(self) -> None:
        """End it, if it has not ended; the next start goes on from its last checkpoint."""
        if self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)  # its loaders too
        _, _, used = os.wait4(self.process.pid, 0)
        self._ended(-signal.SIGTERM, used)
        self.lock.close()

    def _command(self) -> List[str]:
        run = self.order.run
        return [sys.executable, str(self.order.code / 'tools' / 'train.py'),
                str(self.folder / 'config.py'), '--work-dir', str(self.folder / 'train'),
                '--seed', str(run.seed), '--resume', *['--amp'] * run.task.amp]

    def _left_by_others(self) -> Dict[str, Any]:
        """What earlier starts of the same fingerprint took; the traces of others are deleted."""
        path = self.folder / 'started.json'
        before = dict(fingerprint=None)
        with suppress(OSError, ValueError):
            before = json.loads(path.read_text(encoding='utf-8'))
        if before['fingerprint'] != self.order.fingerprint:
            shutil.rmtree(self.folder / 'train', ignore_errors=True)
            (self.folder / 'output.txt').unlink(missing_ok=True)
            before = dict(fingerprint=self.order.fingerprint, seconds=0.0, cpu_seconds=0.0,
                          peak=0.0)
            write_text(path, json.dumps(before) + '\n')
        for old in (self.folder / 'train').glob('nonfinite_iter_*.pth'):
            old.unlink()
        return before

    def _ended(self, code: int, used: Any) -> None:
        """Note what this start took."""
        self.process.returncode = code
        # what the kernel counts includes this process as it was when it forked: only a fallback
        peak = self.peak or used.ru_maxrss / (2 ** 20 if sys.platform == 'darwin' else 2 ** 10)
        self.before.update(seconds=self.before['seconds'] + self.seconds,
                           cpu_seconds=self.before['cpu_seconds'] + used.ru_utime + used.ru_stime,
                           peak=max(self.before['peak'], peak))
        write_text(self.folder / 'started.json', json.dumps(self.before) + '\n')

    def _result(self, code: int) -> Result:
        order, run = self.order, self.order.run
        train, val, gpu = read_curves(self.folder / 'train')
        status, reason, metrics = self._outcome(code)
        memory_of = 'the highest tensor memory of the GPU' if gpu else \
            'the highest resident memory of the training process, without those of its loaders'
        return dict(
            study=order.study, task=run.task.name, cell=run.cell.name, series=run.cell.series,
            x=run.cell.x, seed=run.seed, status=status, reason=reason, metrics=metrics,
            curves=dict(val=val, train=train), seconds=round(self.before['seconds'], 2),
            cpu_seconds=round(self.before['cpu_seconds'], 2),
            peak_memory=round(gpu or self.before['peak'], 1), memory_of=memory_of,
            parameters=order.parameters, fingerprint=order.fingerprint, options=order.options,
            amp=run.task.amp, machine=self.machine)

    def _outcome(self, code: int) -> Tuple[str, str, Dict[str, float]]:
        """Status, reason and metrics of a training that ended by itself."""
        said = (self.folder / 'output.txt').read_text(encoding='utf-8', errors='replace')
        if code == 0:
            tested = read_test(self.folder / 'train')
            if tested is None:
                return FAILED, 'it ended without a test', {}
            bad = [name for name, value in tested.items() if not math.isfinite(value)]
            if bad:
                return DIVERGED, f'the test gave {bad[0]} = {tested[bad[0]]}', {
                    name: value for name, value in tested.items() if name not in bad}
            return DONE, '', tested
        if next((self.folder / 'train').glob('nonfinite_iter_*.pth'), None):
            return DIVERGED, _last_line(said, 'FloatingPointError'), {}
        if code < 0:
            hint = ', often for want of memory' if code == -signal.SIGKILL else ''
            return FAILED, f'killed by {signal.Signals(-code).name}{hint}', {}
        return FAILED, _last_line(said, 'Error', 'error:') or f'exit code {code}', {}


def _last_line(text: str, *marks: str) -> str:
    """The last line with one of the marks, else the last one; cut to a readable length."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if any(mark in line for mark in marks)]
    return (marked or lines or [''])[-1][:400]


def _locked(path: Path) -> IO:
    """An open file that is locked while this process, or one that it hands it to, lives."""
    file = open(path, 'a')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def _peak_memory(pid: int) -> float:
    """MiB that were resident at most; 0 where the system does not say."""
    with suppress(OSError):
        found = re.search(r'VmHWM:\s+(\d+) kB', Path(f'/proc/{pid}/status').read_text())
        return int(found.group(1)) / 2 ** 10 if found else 0.0
    return 0.0


def _processor() -> str:
    with suppress(OSError):
        found = re.search(r'model name\s*: (.+)', Path('/proc/cpuinfo').read_text())
        if found:
            return found.group(1)
    return platform.processor() or platform.machine()
