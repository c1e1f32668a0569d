"""Every fault of the upstream packages that stands in our way, absorbed in this one place.

Each is absorbed only where it is present, on importing `cbm_plugin`, and nothing that works is
replaced. What was found and done is kept for the report, ``python -m cbm_plugin``.
"""
from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, NamedTuple


class Fault(NamedTuple):
    """An upstream fault: its name, the upstream issue, how to find it and how to absorb it."""
    name: str
    issue: str
    present: Callable[[], bool]
    absorb: Callable[[], None]


@dataclass(frozen=True)
class Absorbed:
    """What became of one fault. ``error`` says why it could not be looked for or absorbed."""
    name: str
    issue: str
    present: bool
    absorbed: bool
    error: str = ''


def absorb() -> list[Absorbed]:
    """Absorb every fault that is present. Never raises; calling it again changes nothing more."""
    return [_treat(fault) for fault in FAULTS]


def _treat(fault: Fault) -> Absorbed:
    present = False
    try:
        present = fault.present()
        if present:
            fault.absorb()
    except Exception as error:  # a broken package must not break what does not need it
        reason = f'{type(error).__name__}: {error}'
        return Absorbed(fault.name, fault.issue, present, False, reason)
    return Absorbed(fault.name, fault.issue, present, present)


def _root(package: str) -> Path | None:
    """The folder of a top-level package, found without importing it; None where it is missing."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).parent if spec and spec.origin else None


# mmaction2#2714: the wheel of mmaction2 1.2.0 lacks mmaction/models/localizers/drn, which has no
# __init__.py and was therefore not packaged, but mmaction.models imports it: nothing can be built.

DRN_PACKAGE = 'mmaction.models.localizers.drn'


def _drn_is_missing() -> bool:
    root = _root('mmaction')
    if root is None:
        return False
    localizers = root / 'models' / 'localizers'
    importer = localizers / '__init__.py'
    return ('from .drn.drn import' in importer.read_text(encoding='utf-8')
            and not (localizers / 'drn' / 'drn.py').exists())


def _stand_in_for_drn() -> None:
    if DRN_PACKAGE in sys.modules:
        return
    package, module = (module_from_spec(ModuleSpec(name, loader=None, is_package=is_package))
                       for name, is_package in ((DRN_PACKAGE, True), (f'{DRN_PACKAGE}.drn', False)))
    # MMAction2's registry exists only once mmaction.models is being imported and asks for DRN
    vars(module)['__getattr__'] = _drn_on_demand(module)
    vars(package)['drn'] = module
    sys.modules[DRN_PACKAGE], sys.modules[f'{DRN_PACKAGE}.drn'] = package, module


def _drn_on_demand(module: ModuleType) -> Callable[[str], type]:
    def __getattr__(name: str) -> type:
        if name != 'DRN':
            raise AttributeError(f'module {module.__name__!r} has no attribute {name!r}')
        from mmaction.registry import MODELS
        if 'DRN' not in MODELS.module_dict:
            MODELS.register_module(name='DRN', module=MissingDRN)
        vars(module)['DRN'] = MissingDRN
        return MissingDRN
    return __getattr__


class MissingDRN:
    """Stands in for the DRN localizer, which the installed mmaction2 lacks.

    Raises:
        ImportError: when built.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        folder = (_root('mmaction') or Path('mmaction')) / 'models' / 'localizers' / 'drn'
        raise ImportError(
            'DRN is missing from the installed mmaction2 (mmaction2#2714): copy '
            'mmaction/models/localizers/drn from the source of the same MMAction2 version to '
            f'{folder}')


# mmaction2 1.2.0 imports importlib_metadata (mmaction/utils/dependency.py) without requiring it. We
# know of no upstream issue. Since Python 3.8 the standard library has the same, importlib.metadata.


def _importlib_metadata_is_missing() -> bool:
    if sys.modules.get('importlib_metadata') is importlib.metadata:
        return True
    return _root('mmaction') is not None and _root('importlib_metadata') is None


def _stand_in_for_importlib_metadata() -> None:
    sys.modules['importlib_metadata'] = importlib.metadata


# mmengine#1655: mmengine 0.10.7 calls torch.load without weights_only. That is unsafe before torch
# 2.6, and from there on refuses MMEngine's own checkpoints. Those of a URL it loads through
# torch.hub, with weights_only=False, and annotations with pickle.load. Whatever its version, it
# gets our readers (safe_loading).


def _loads_unsafely() -> bool:
    return _root('mmengine') is not None and _root('torch') is not None


def _load_safely() -> None:
    from .safe_loading import make_mmengine_safe
    make_mmengine_safe()


FAULTS = (
    Fault('mmaction2 lacks mmaction/models/localizers/drn', 'mmaction2#2714',
          _drn_is_missing, _stand_in_for_drn),
    Fault('mmaction2 imports importlib_metadata without requiring it', 'no issue known',
          _importlib_metadata_is_missing, _stand_in_for_importlib_metadata),
    Fault('mmengine loads checkpoints and pickles unsafely, or not at all', 'mmengine#1655',
          _loads_unsafely, _load_safely),
)
