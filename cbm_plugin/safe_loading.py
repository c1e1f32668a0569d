"""Files are read without running what is in them; what a file may ask for stands here alone.

A pickle is a program: it may call whatever can be imported. Checkpoints, pickled annotations and
YAML are read by readers that know tensors, arrays, plain values and the few names below. Importing
``cbm_plugin`` hands these readers to MMEngine (:func:`make_mmengine_safe`); our own code calls
:func:`load`.
"""
import io
import os
import pickle
import re
import sys
import tarfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Dict, Optional, Union
from urllib.parse import urlparse

import numpy as np
import torch
import yaml
from mmengine.fileio.handlers import PickleHandler, YamlHandler
from mmengine.fileio.handlers.registry_utils import file_handlers
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch._weights_only_unpickler import _get_allowed_globals as names_of_torch

from .versions import satisfies

SAFE_MODE = satisfies(torch.__version__, '>=2.6')
"""Whether ``torch.load(weights_only=True)`` can be trusted: before, it ran code (CVE-2025-32434)
and refused MMEngine's checkpoints. Older versions get :class:`CheckpointUnpickler` instead."""

HISTORY_STATISTICS = ('mean', 'min', 'max', 'current')
ANNEALINGS = ('_annealing_cos', '_annealing_linear')
ONE_CYCLE = 'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler'

File = Union[str, Path, IO[bytes]]


class RefusedFileError(pickle.UnpicklingError, ValueError):
    """A file asks for more than data, or cannot be read. Nothing of it was run."""


def refusal(name: str, asked: str) -> RefusedFileError:
    """The error for a file that asks for something else than data."""
    return RefusedFileError(
        f'{name} is refused: it asks for {asked}, which is neither a tensor nor a plain value and '
        'may run anything. Nothing of it was run. If it is your own, write it again with tensors, '
        'arrays and plain values alone; else do not trust it')


# -- what a file may ask for


class OneCycleName:
    """Stands for OneCycleParamScheduler in a checkpoint, which needs no more than its name."""


def restricted_getattr(owner: Any, name: str) -> Any:
    """What ``builtins.getattr`` means in a checkpoint: one of two kinds of functions, nothing else.

    Pickle writes HistoryBuffer's methods as ``getattr(HistoryBuffer, 'mean')``, and the curve of a
    one-cycle learning rate as ``getattr(OneCycleParamScheduler, '_annealing_cos')``. With the real
    getattr a crafted file reaches ``__globals__``, and from there rewrites any module's globals.

    Raises:
        pickle.UnpicklingError: any other object or name.
    """
    if owner is HistoryBuffer and name in HISTORY_STATISTICS:
        return getattr(HistoryBuffer, name)
    if owner is OneCycleName and name in ANNEALINGS:
        return getattr(OneCycleParamScheduler, name)
    raise pickle.UnpicklingError(
        f'this checkpoint asks for <attribute {name!r} of {owner!r}>; allowed are only '
        f'{", ".join(HISTORY_STATISTICS)} of HistoryBuffer and {", ".join(ANNEALINGS)} of '
        'OneCycleParamScheduler. MMEngine writes no such checkpoint: do not trust the file')


def _full_name(module: str, name: str) -> str:
    """As Python 3 calls it: pickles of protocol 2 have the names of Python 2."""
    return f"{'builtins' if module == '__builtin__' else module}.{name}"


def _names_of_numpy() -> Dict[str, Any]:
    array, scalar = np.zeros(0), np.float64(0)
    names: Dict[str, Any] = {'numpy.ndarray': np.ndarray, 'numpy.dtype': np.dtype}
    # a file of numpy 1 names numpy.core, one of numpy 2 numpy._core
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        names[f'{module}.scalar'] = scalar.__reduce__()[0]
        names[f'{module}._reconstruct'] = array.__reduce__()[0]
    return names


def _names_of_dtypes() -> Dict[str, Any]:
    """Classes of which torch's safe mode rebuilds instances."""
    kinds = [type(np.dtype(name)) for name in ('float64', 'int64')]
    return {f'{kind.__module__}.{kind.__qualname__}': kind for kind in kinds}


CHECKPOINT_NAMES: Dict[str, Any] = {
    **_names_of_numpy(), **_names_of_dtypes(),
    'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
    ONE_CYCLE: OneCycleName,
    'builtins.getattr': restricted_getattr,
}
"""What a checkpoint may ask for besides what torch allows: MMEngine's message hub and schedules."""

def _clip_plan(length: int, clips: tuple) -> Any:
    """Called for ClipPlan, so that a pickle does not get hold of the class."""
    from .overlap.plan import ClipPlan  # overlap stands above this module
    return ClipPlan(length, clips)


PLAIN_NAMES: Dict[str, Any] = {
    **_names_of_numpy(),
    **{f'builtins.{kind.__name__}': kind for kind in (
        set, frozenset, bytearray, complex, list, dict, tuple, int, float, str, bool)},
    'collections.OrderedDict': OrderedDict, 'collections.defaultdict': defaultdict,
    '_codecs.encode': names_of_torch()['_codecs.encode'],  # bytes, in pickles of protocol 2
    'torch._utils._rebuild_tensor_v2': torch._utils._rebuild_tensor_v2,
    'cbm_plugin.overlap.plan.ClipPlan': _clip_plan,
}
"""What a pickle outside a checkpoint may ask for, such as annotations and dumped predictions."""


# -- checkpoints


def load(file: File, map_location: Any = None, encoding: str = 'utf-8') -> Any:
    """``torch.load``, always in its safe mode.

    Args:
        file: of ``torch.save``, also of Python 2 and of the time before zip files.
        map_location: as ``torch.load``.
        encoding: of strings that Python 2 has written. Default UTF-8, as ``torch.load``.

    Raises:
        RefusedFileError: it asks for something else than tensors, arrays and plain values, with
            what it asks for; or it is damaged.
        Exception: whatever else ``torch.load`` raises for damaged and missing files.
    """
    options: Dict[str, Any] = {} if encoding == 'utf-8' else dict(encoding=encoding)
    try:
        if SAFE_MODE:
            return torch.load(file, map_location=map_location, weights_only=True, **options)
        return load_without_safe_mode(file, map_location, **options)
    except RefusedFileError:
        raise
    except pickle.UnpicklingError as error:
        raise _explained(error, file) from error


def load_url(url: str, model_dir: Optional[str] = None, map_location: Any = None,
             progress: bool = True) -> Any:
    """The checkpoint at a URL, kept in torch's folder of downloads, by :func:`load`.

    ``torch.hub`` would read it with ``weights_only=False``, and what lies in its folder too.

    Raises:
        RefusedFileError: see :func:`load`.
        OSError: it cannot be fetched.
    """
    folder = Path(model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints'))
    path = folder / os.path.basename(urlparse(url).path)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f'downloading {url} to {path}', file=sys.stderr)
        torch.hub.download_url_to_file(url, str(path), None, progress)
    return load(path, map_location)


def _explained(error: Exception, file: File) -> RefusedFileError:
    name = str(file) if isinstance(file, (str, Path)) else 'the checkpoint'
    reason = ' '.join(str(error).split())
    asked = re.search(r'GLOBAL (\S+)|asks for <(.+)>;', reason)  # torch keeps the text alone
    if asked:
        return refusal(name, asked[1] or asked[2])
    reason = reason.split('WeightsUnpickler error: ')[-1].split(' Please file an issue')[0]
    return RefusedFileError(f'{name} cannot be read as a checkpoint: {reason[:300]}')


# -- torch before 2.6


class CheckpointUnpickler(pickle._Unpickler):  # in Python, whose steps can be overridden
    """Finds what torch's safe mode allows and :data:`CHECKPOINT_NAMES`, and rewrites no class."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        """An allowed name, or a refusal."""
        full = _full_name(module, name)
        for names in (CHECKPOINT_NAMES, names_of_torch()):
            if full in names:
                return names[full]
        raise pickle.UnpicklingError(f'it asks for <{full}>; which is not allowed')

    def load_build(self) -> None:
        """Fill an object, but no class or function: these are not the file's."""
        if callable(self.stack[-2]):
            raise pickle.UnpicklingError(f'it asks for <a change of {self.stack[-2]!r}>; which is '
                                         'not allowed')
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build


def _checkpoint_pickle() -> ModuleType:
    module = ModuleType('checkpoint_pickle')
    vars(module).update(Unpickler=CheckpointUnpickler, UnpicklingError=pickle.UnpicklingError,
                        load=lambda file, **options: CheckpointUnpickler(file, **options).load())
    return module


def load_without_safe_mode(file: File, map_location: Any = None, **options: Any) -> Any:
    """:func:`load` for torch before 2.6, by our own unpickler.

    Raises:
        pickle.UnpicklingError: it asks for something else than tensors and plain values.
        RefusedFileError: it is a tar archive, as of torch's first versions.
    """
    if isinstance(file, (str, Path)) and os.path.isfile(file) and tarfile.is_tarfile(file):
        raise RefusedFileError(f'{file} is a tar archive, which torch would unpack: save it again '
                               'with a newer torch')
    return torch.load(file, map_location=map_location, weights_only=False,
                      pickle_module=_checkpoint_pickle(), **options)


# -- other pickles, and YAML


class PlainUnpickler(pickle.Unpickler):
    """Finds :data:`PLAIN_NAMES` alone."""

    def find_class(self, module: str, name: str) -> Any:
        """An allowed name, or a refusal."""
        full = _full_name(module, name)
        if full == 'torch.storage._load_from_bytes':  # it is torch.load(weights_only=False)
            return lambda content: load(io.BytesIO(content))
        if full not in PLAIN_NAMES:
            raise refusal('the pickle', full)
        return PLAIN_NAMES[full]


class PlainPickleHandler(PickleHandler):
    """MMEngine's reader of ``.pkl`` and ``.pickle``, by :class:`PlainUnpickler`."""

    def load_from_fileobj(self, file: IO[bytes], **options: Any) -> Any:
        """The content. Raises: RefusedFileError."""
        return PlainUnpickler(file, **options).load()


class PlainYamlHandler(YamlHandler):
    """MMEngine's reader of ``.yaml`` and ``.yml``, which knows no tags of Python."""

    def load_from_fileobj(self, file: IO[str], **options: Any) -> Any:
        """The content. Raises: RefusedFileError."""
        options['Loader'] = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
        try:
            return yaml.load(file, **options)
        except yaml.constructor.ConstructorError as error:
            tag = re.search(r"python/\S+?(?=')", str(error))
            if tag is None:
                raise
            raise refusal('the YAML file', tag[0]) from error


# -- MMEngine


class _TorchOfSafeLoad:
    """``torch`` as MMEngine's module of checkpoints sees it: ``load`` is ours."""

    @staticmethod
    def load(file: File, map_location: Any = None, **_: Any) -> Any:
        """Whatever ``weights_only`` and ``pickle_module`` say."""
        return load(file, map_location)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def make_mmengine_safe() -> None:
    """Let MMEngine, and all that loads through it, read by this module. Again: no more."""
    if SAFE_MODE:
        torch.serialization.add_safe_globals(_safe_globals())
    mmengine_checkpoint.torch = _TorchOfSafeLoad()
    mmengine_checkpoint.load_url = load_url
    for endings, handler in ((('pkl', 'pickle'), PlainPickleHandler()),
                             (('yaml', 'yml'), PlainYamlHandler())):
        file_handlers.update(dict.fromkeys(endings, handler))


def _safe_globals() -> list:
    """:data:`CHECKPOINT_NAMES` as torch takes them."""
    pairs: list = [(value, name) for name, value in CHECKPOINT_NAMES.items()]
    return pairs
