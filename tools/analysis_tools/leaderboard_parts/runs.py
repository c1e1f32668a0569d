"""Finished runs, read from the work dirs that MMEngine leaves, and what is wrong with the others.

A work dir holds a folder for each start, named after the time: ``vis_data/config.py`` (the config
as it ran), ``vis_data/TIME.json`` (what was logged) and, where a test ended, ``TIME.json`` with its
metrics. The last start that trained decides which training this is; only tests after it count.
"""
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from mmengine.config import Config


@dataclass(frozen=True)
class Run:
    """One test of one finished training. ``weights`` tells which: ``last``, ``best``, ``epoch 3``.
    """
    folder: Path
    name: str
    seed: Optional[int]
    training: Config
    testing: Config
    weights: str
    metrics: Dict[str, float]


@dataclass(frozen=True)
class Problem:
    """A work dir, or a test in one, that does not count, and why."""
    folder: Path
    reason: str


def find_work_dirs(roots: Sequence[Path]) -> List[Path]:
    """The work dirs at or below the given folders.

    Raises:
        ValueError: a folder does not exist, or there is no work dir in it.
    """
    found: Dict[Path, Path] = {}
    for root in roots:
        configs = sorted(root.glob('**/vis_data/config.py'))
        if not configs:
            raise ValueError(f'{root} holds no work dir (no TIME/vis_data/config.py below it): '
                             'give folders that tools/train.py wrote, or folders of those')
        for config in configs:
            found.setdefault(config.parents[2].resolve(), config.parents[2])
    return sorted(found.values())


def read_work_dir(folder: Path) -> Iterator[Union[Run, Problem]]:
    """The last test of each protocol, or what is wrong."""
    starts = sorted(path.parents[1] for path in folder.glob('*/vis_data/config.py'))
    trained = [start for start in starts if _logged_training(start)]
    if not trained:
        yield Problem(folder, 'no training was logged in it')
        return
    training = _config(trained[-1])
    tests = [start for start in starts if start >= trained[-1] and _test_file(start).is_file()]
    if not tests:
        yield Problem(folder, _how_far(folder, training) + ', and not tested')
        return
    for start in tests:
        try:
            yield _read_test(folder, start, trained[-1], training)
        except ValueError as error:
            yield Problem(folder, f'{start.name}: {error}')


def _read_test(folder: Path, start: Path, trained: Path, training: Config) -> Run:
    testing = training if start == trained else _config(start)
    weights = 'last' if start == trained or testing.get('resume') else _weights(
        folder, testing.get('load_from'), training)
    if start != trained and not _finished(folder, training):
        raise ValueError('tested, but ' + _how_far(folder, training))
    seed = (training.get('randomness') or {}).get('seed')
    return Run(folder, _name(folder, trained), seed, training, testing, weights,
               _metrics(_test_file(start)))


def _config(start: Path) -> Config:
    return Config.fromfile(start / 'vis_data' / 'config.py', import_custom_modules=False)


def _test_file(start: Path) -> Path:
    return start / f'{start.name}.json'


def _logged_training(start: Path) -> bool:
    log = start / 'vis_data' / f'{start.name}.json'
    if not log.is_file():
        log = log.with_name('scalars.json')
    return log.is_file() and any('"iter"' in line for line in log.read_text().splitlines())


def _metrics(file: Path) -> Dict[str, float]:
    try:
        values = json.loads(file.read_text().splitlines()[-1])
    except (ValueError, IndexError):
        raise ValueError(f'the test result {file.name} cannot be read') from None
    metrics = {key: float(value) for key, value in values.items()
               if key not in ('time', 'data_time') and isinstance(value, (int, float))}
    wrong = [key for key, value in metrics.items() if not math.isfinite(value)]
    if wrong or not metrics:
        raise ValueError(f'the test gave no finite number for {", ".join(wrong) or "any metric"}')
    return metrics


def _goal(training: Config) -> Tuple[str, int]:
    loop = training.get('train_cfg') or {}
    return ('iter', loop['max_iters']) if 'max_iters' in loop else ('epoch',
                                                                    loop.get('max_epochs', 0))


def _reached(folder: Path) -> int:
    """The number in the name of the last checkpoint."""
    note = folder / 'last_checkpoint'
    number = Path(note.read_text().strip()).stem.rsplit('_', 1)[-1] if note.is_file() else ''
    return int(number) if number.isdigit() else 0


def _finished(folder: Path, training: Config) -> bool:
    return _reached(folder) >= _goal(training)[1]


def _how_far(folder: Path, training: Config) -> str:
    unit, goal = _goal(training)
    reached = _reached(folder)
    if reached >= goal:
        return f'trained {goal} {unit}s'
    return f'unfinished: its last checkpoint is of {unit} {reached} of {goal}'


def _weights(folder: Path, checkpoint: Optional[str], training: Config) -> str:
    """Which weights of this training a test took."""
    path = Path(checkpoint or '')
    if checkpoint is None or path.parent.name != folder.resolve().name:
        raise ValueError(f'tests {checkpoint}, a checkpoint that is not of this work dir')
    if path.stem.startswith('best_'):
        return 'best'
    unit, goal = _goal(training)
    return 'last' if path.stem == f'{unit}_{goal}' else path.stem.replace('_', ' ')


def _name(folder: Path, trained: Path) -> str:
    """The name of the config: MMEngine leaves a copy of it under that name."""
    copies = sorted(folder.glob('*.py'))
    if len(copies) > 1:
        text = (trained / 'vis_data' / 'config.py').read_text()
        copies = [copy for copy in copies if copy.read_text() == text]
    if len(copies) != 1:
        raise ValueError('its config has no name: the work dir should hold one copy of it, '
                         f'but holds {len(copies)}')
    return copies[0].stem
