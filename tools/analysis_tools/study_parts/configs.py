"""The configs that a study trains: its changes checked against them, and merged in."""
import inspect
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from cbm_plugin.engine.user_errors import did_you_mean, find_class, options_of
from cbm_plugin.registry import MODELS

from .definition import GENERATED, PROJECT, Cell, Study, StudyError, Task

OF_TRAIN = ('test_after_train', 'runner_type', 'custom_imports', 'auto_scale_lr')
"""Entries that are read besides the Runner's own."""
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def data_root_of(task: Task, given: Dict[str, Path]) -> Optional[Path]:
    """The folder of a task's data; None where it is generated.

    Args:
        given: by task, from the command line; they go before the environment.

    Raises:
        StudyError: nobody says where it is, or there is no such folder.
    """
    if task.data == GENERATED:
        return None
    root = given.get(task.name) or os.environ.get(task.data)
    if not root:
        raise StudyError(f'the task {task.name} needs data: give --data-root {task.name}=DIR, or '
                         f'{task.data}=DIR in the environment, or leave it out with --tasks')
    if not Path(root).is_dir():
        raise StudyError(f'there is no folder {root} for the data of the task {task.name}')
    return Path(root).absolute()


def read_config(task: Task, data_root: Optional[Path]) -> Config:
    """The task's config as its file says, with ``DATA_ROOT`` and the task's environment."""
    values = {**task.env, 'DATA_ROOT': None if data_root is None else str(data_root)}
    with _environment(values):
        try:
            return Config.fromfile(PROJECT / task.config)
        except Exception as error:  # it is executed: anything may be wrong with it
            raise StudyError(f'{task.config}: {type(error).__name__}: {error}') from error


def merged_config(study: Study, task: Task, cell: Cell, base: Config) -> Config:
    """The config of a cell, without seed and places. It tests itself at the end.

    Raises:
        StudyError: a key of the study is not in the config, and no option of what stands there.
    """
    cfg = Config(base.to_dict())
    where = f'{study.name}: cell {cell.name} on task {task.name}'
    for key, value in study.options(task.name, cell).items():
        _check_change(cfg, key, value, where)
        cfg.merge_from_dict({key: value})
    if cfg.get('test_dataloader') is None:
        raise StudyError(f'{where}: {task.config} has no test_dataloader, and a study compares '
                         'final tests')
    cfg.test_after_train = True
    return cfg


def seeded_config(cfg: Config, task: Task, seed: int, generated: Path) -> Config:
    """The config of a run, with its seed.

    Args:
        generated: folder for the data of a task whose data is generated.

    Raises:
        StudyError: a key of the task's ``seed_options`` is not in the config.
    """
    seeded = Config(cfg.to_dict())
    for key in task.seed_options:
        _check_change(seeded, key, seed, f'task {task.name}: seed_options')
        seeded.merge_from_dict({key: seed})
    seeded.randomness = {**(cfg.get('randomness') or {}), 'seed': seed}
    for loader in LOADERS if task.data == GENERATED else ():
        dataset = (seeded.get(loader) or {}).get('dataset', {})
        if dataset.get('data_root'):
            dataset.data_root = str(generated)
    return seeded


def count_parameters(cfg: Config, where: str) -> int:
    """Build the model of a config, and count what it learns with.

    Raises:
        StudyError: it cannot be built.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    try:
        model = MODELS.build(ConfigDict(cfg.model.to_dict()))
    except Exception as error:  # of any class that a config names
        raise StudyError(f'{where}: its model cannot be built: '
                         f'{type(error).__name__}: {" ".join(str(error).split())}') from error
    return sum(parameter.numel() for parameter in model.parameters())


def as_file(cfg: Config) -> str:
    """A config as the text of a file, that reads as the same values."""
    return ''.join(f'{key} = {value!r}\n' for key, value in cfg.to_dict().items())


def _check_change(cfg: Config, key: str, value: Any, where: str) -> None:
    """See that a change reaches something: a key that is there, or an option that may be.

    What is below ``model`` may also be an option that a class hands on; that the model takes it is
    seen when it is built.
    """
    parts = key.split('.')
    known = [*inspect.signature(Runner.__init__).parameters, *OF_TRAIN]
    if parts[0] not in known:
        shadow = ', a variable of the file that nothing reads when it is merged' \
            if parts[0] in cfg else ''
        raise StudyError(f'{where}: {key}: a config has no entry {parts[0]!r}{shadow}: '
                         + did_you_mean(parts[0], known, 'use one of the Runner'))
    node: Any = cfg.to_dict()
    for depth, part in enumerate(parts):
        place = '.'.join(parts[:depth])
        found = _entries(node)
        if part not in found and depth and not _is_option(node, part, parts[0]):
            options = sorted({*found, *_options(node)} - {'type'})
            raise StudyError(f'{where}: {key}: {place} has no entry {part!r}: '
                             + did_you_mean(part, options, f'it has {", ".join(options)}'))
        node = found.get(part)
        if node is None:
            return
    if isinstance(value, dict) and isinstance(node, dict) and not value.get('_delete_') \
            and value.get('type', node.get('type')) == node.get('type'):
        for name, inner in value.items():
            _check_change(cfg, f'{key}.{name}', inner, where)


def _entries(node: Any) -> Dict[str, Any]:
    if isinstance(node, dict):
        return node
    if isinstance(node, (list, tuple)):
        return {str(place): item for place, item in enumerate(node)}
    return {}


def _options(node: Any) -> List[str]:
    cls = find_class(node.get('type')) if isinstance(node, dict) else None
    return options_of(cls) if cls is not None else []


def _is_option(node: Any, name: str, top: str) -> bool:
    if not isinstance(node, dict):
        return False
    return name in _options(node) or (top == 'model' and 'type' in node)


@contextmanager
def _environment(values: Dict[str, Optional[str]]) -> Iterator[None]:
    """Within it these variables are set, or, where None, not there."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set(values)
        yield
    finally:
        _set(before)


def _set(values: Dict[str, Optional[str]]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(value)
