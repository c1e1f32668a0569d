"""Long runs: the memory held by a training and by a stream does not grow.

From :data:`ENOUGH` steps on the resident memory of the real processes is watched, and a line is
fitted. Over fewer steps its noise would hide a leak: there the tensors and the objects
that Python tracks are counted, of which a leak shows after a handful of steps.
"""
import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Optional

import numpy as np
import torch
import torch.multiprocessing.reductions
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from cbm_plugin.progress import Progress
from cbm_plugin.recognition.streaming import StreamRecognizer
from cbm_plugin.synthetic.motion_clips import CLASS_NAMES, render_motion_clip
from cbm_plugin.synthetic.video import write_mp4

from ..tiny_run import DEFAULT, ROOT, tiny_config
from .outcome import Outcome
from .resident import Held, growth, resident_bytes

sys.path.insert(0, str(ROOT / 'tools/demo'))

import stream_demo  # noqa: E402
from stream_parts.panel import Panel  # noqa: E402
from stream_parts.source import Source  # noqa: E402

ENOUGH = 1000
"""Steps from which on resident memory is watched instead of objects being counted."""

TRAINING_BOUND = 1024
"""Bytes an iteration, the upper end of the interval: 1 GB in a week of 100 iterations a minute."""

STREAM_BOUND = 64
"""Bytes a frame, the upper end of the interval: 1 GB in a week of 25 frames a second."""

OBJECTS_BOUND = 1.0
"""Objects a step: something that is kept at every step is at least one."""

PER_EPOCH = 5
"""Iterations of the small training's epochs: batches of 4 clips."""

SAMPLES = 200
"""Looks at a stream's memory, evenly spread."""

EVERY = 25
"""Iterations between two looks at a training: SteadyMemoryHook's interval has two of them."""

LINE = re.compile(r'held (\d+) (\d+)$')
"""What HeldMemoryHook prints."""


def run(folder: Path, tried: int, seed: int, frames: Optional[int] = None) -> List[Outcome]:
    """Train ``tried`` iterations and stream ``frames`` frames.

    Args:
        folder: for data and work dirs.
        tried: iterations, rounded up to whole epochs.
        seed: of the training and of the stream's weights.
        frames: default 10 for each iteration below :data:`ENOUGH`, else 20,000 for 6,000.
    """
    if tried < ENOUGH:
        return [counted_training(folder, tried, seed),
                counted_stream(folder, frames or 10 * tried, seed)]
    return [resident_training(folder, tried, seed),
            resident_stream(folder, frames or tried * 10 // 3, seed)]


# -- resident memory


def resident_training(folder: Path, iterations: int, seed: int) -> Outcome:
    """The training of `make train` by tools/train.py, over so many iterations."""
    cfg = Config.fromfile(DEFAULT)
    per_epoch = -(-cfg.train_dataloader.dataset.num_clips // cfg.train_dataloader.batch_size)
    epochs = -(-iterations // per_epoch)
    cfg.work_dir = str(folder / 'default')
    cfg.randomness.seed = seed
    cfg.train_cfg.max_epochs = cfg.param_scheduler[0].total_steps = epochs
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.data_root = str(folder / 'data')
    samples = watch_training(cfg, epochs * per_epoch)
    (folder / 'training.json').write_text(json.dumps(samples))
    return judge('the default training with its workers', epochs * per_epoch, samples,
                 TRAINING_BOUND, 'iteration')


def watch_training(cfg: Config, iterations: int, every: int = EVERY) -> List[Held]:
    """Run tools/train.py with a config of so many iterations, and gather what it says it holds.

    Raises:
        RuntimeError: it failed; with its last lines.
    """
    cfg.custom_imports.imports += ['tests.faults.held_memory_hook']
    cfg.custom_hooks += [dict(type='HeldMemoryHook', interval=every)]
    config = Path(cfg.work_dir) / 'watched.py'
    config.parent.mkdir(parents=True, exist_ok=True)
    cfg.dump(config)
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(config),
               '--work-dir', cfg.work_dir]
    samples: List[Held] = []
    printed: List[str] = []
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, env=_environment()) as process:
        try:
            progress = Progress('iterations', iterations)
            for line in process.stdout or ():
                printed = [*printed[-30:], line]
                match = LINE.match(line)
                if match:
                    samples.append(Held(*map(int, match.groups())))
                    progress.update(samples[-1].step)
        except BaseException:
            process.kill()  # leaving the block would wait for its end
            raise
    if process.returncode:
        raise RuntimeError(f'the training ended with {process.returncode}:\n{"".join(printed)}')
    return samples


def resident_stream(folder: Path, frames: int, seed: int) -> Outcome:
    """The loop of tools/demo/stream_demo.py over a long video, in a process of its own."""
    out = folder / 'stream.json'
    subprocess.run([sys.executable, '-m', 'tests.faults.memory', str(folder), str(frames),
                    str(seed), str(out)], cwd=ROOT, env=_environment(), check=True)
    samples = [Held(*sample) for sample in json.loads(out.read_text())]
    return judge('a stream through the default network', frames, samples, STREAM_BOUND, 'frame')


def judge(what: str, tried: int, samples: List[Held], bound: float, step: str) -> Outcome:
    """Whether the memory is flat: the upper end of the growth's interval is below the bound."""
    found = growth(samples)
    flat = samples[-1].step == tried and found.high < bound
    remark = (f'{found.slope:.1f} bytes more with each {step} '
              f'(95%: {found.low:.1f} to {found.high:.1f}; bound {bound}) '
              f'at {found.level / 2**20:.0f} MiB')
    return Outcome(f'resident memory of {what}', tried, tried if flat else 0, 0, remark)


def _environment() -> dict:
    path = os.environ.get('PYTHONPATH')
    return dict(os.environ, PYTHONPATH=str(ROOT) + (os.pathsep + path if path else ''))


# -- tensors and objects


class Count(NamedTuple):
    """Live tensors, and all objects that Python's garbage collector tracks, at a step."""
    step: int
    tensors: int
    objects: int


def count(step: int) -> Count:
    """Of this process, after a collection of garbage."""
    # torch notes which tensors came from workers, and forgets those that are gone at every 128th
    torch.multiprocessing.reductions.shared_cache.free_dead_references()
    gc.collect()
    objects = gc.get_objects()
    return Count(step, sum(issubclass(type(one), torch.Tensor) for one in objects), len(objects))


class CountHook(Hook):
    """Counts at the end of every epoch, where no batch is under way."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.counts: List[Count] = []

    def after_train_epoch(self, runner: Runner) -> None:
        """Count."""
        self.counts.append(count(runner.iter))


def counted_training(folder: Path, iterations: int, seed: int,
                     hook: Optional[Hook] = None) -> Outcome:
    """A small training through two workers in this process, :data:`PER_EPOCH` iterations an epoch.

    Args:
        hook: one more, which may leak.
    """
    epochs = -(-iterations // PER_EPOCH)
    cfg = tiny_config(folder, 'counted', **{
        'train_cfg.max_epochs': epochs, 'param_scheduler.0.total_steps': epochs,
        'train_dataloader.dataset.num_clips': 4 * PER_EPOCH, 'randomness.seed': seed,
        'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': True})
    runner = Runner.from_cfg(cfg)
    counter = CountHook()
    for added in filter(None, (counter, hook)):
        runner.register_hook(added)
    runner.train()
    return weigh('a small training', epochs * PER_EPOCH, counter.counts)


def counted_stream(folder: Path, frames: int, seed: int,
                   keep: Callable[[object], None] = lambda scores: None) -> Outcome:
    """The default network on a stream in this process.

    Args:
        keep: is given the scores after every frame.
    """
    counts: List[Count] = []

    def look(step: int) -> None:
        keep(stream.scores)
        if step % max(frames // 10, 1) == 0:
            counts.append(count(step))

    stream = default_stream(seed)
    run_stream(video_of(folder, frames), stream, look)
    return weigh('a stream through the default network', frames, counts)


def weigh(what: str, tried: int, counts: List[Count]) -> Outcome:
    """Whether nothing is kept, from a third of the steps on."""
    first, last = next(one for one in counts if one.step * 3 >= tried), counts[-1]
    tensors = last.tensors - first.tensors
    objects = (last.objects - first.objects) / (last.step - first.step)
    flat = last.step == tried and tensors <= 0 and objects < OBJECTS_BOUND
    remark = f'{tensors} tensors more in all, {objects:.2f} objects more a step'
    return Outcome(f'tensors and objects of {what}', tried, tried if flat else 0, 0, remark)


# -- the stream


def default_stream(seed: int) -> StreamRecognizer:
    """Of the default config, with untrained weights."""
    torch.manual_seed(seed)
    return StreamRecognizer.from_config(DEFAULT, channel_order='bgr')


def video_of(folder: Path, frames: int) -> Path:
    """A video of so many frames: all motions in turn, again and again."""
    path = folder / f'{frames}_frames.mp4'
    rng = np.random.default_rng(0)
    clips = np.concatenate([render_motion_clip(label, rng) for label in range(len(CLASS_NAMES))])
    folder.mkdir(parents=True, exist_ok=True)
    write_mp4(path, np.resize(clips, (frames, *clips.shape[1:])))
    return path


class WatchedSource(Source):
    """The demo's source, which looks at something before it gives the next frame."""

    def __init__(self, name: str, look: Callable[[int], None]) -> None:
        super().__init__(name)
        self.look = look

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in super().__iter__():
            yield frame
            self.look(self.count)


def run_stream(video: Path, stream: StreamRecognizer, look: Callable[[int], None]) -> None:
    """The demo's loop; ``look`` is called after every frame.

    Raises:
        RuntimeError: the loop ended with a fault.
    """
    source = WatchedSource(str(video), look)
    _, wrong, _ = stream_demo.run(source, stream, Panel(CLASS_NAMES, 5), None, show=False)
    source.close()
    if wrong:
        raise RuntimeError(wrong)


def main(folder: str, frames: str, seed: str, out: str) -> None:
    """Stream, and write what this process held at :data:`SAMPLES` frames as JSON."""
    samples: List[Held] = []
    every = max(int(frames) // SAMPLES, 1)

    def look(step: int) -> None:
        if step % every == 0 or step == int(frames):
            samples.append(Held(step, resident_bytes(os.getpid())))

    run_stream(video_of(Path(folder), int(frames)), default_stream(int(seed)), look)
    Path(out).write_text(json.dumps(samples))


if __name__ == '__main__':
    main(*sys.argv[1:])
