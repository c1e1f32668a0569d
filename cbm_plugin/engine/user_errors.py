"""Mistakes in a command or a config, told in one line instead of a traceback.

Only what is known to be the user's is caught: a type or an option that stands in the config and
that no registered class has. Everything else keeps its traceback.
"""
import difflib
import inspect
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, List, NoReturn, Optional, Tuple, Union

import mmaction.registry
import mmengine.registry
from mmengine.config import Config, ConfigDict
from mmengine.config.utils import ConfigParsingError
from mmengine.registry import Registry

from ..safe_loading import RefusedFileError


def fail(message: str) -> NoReturn:
    """End the program with exit code 2 and one line on stderr."""
    print(f'error: {message}', file=sys.stderr)
    raise SystemExit(2)


def load_config(path: Union[str, Path]) -> Config:
    """Read a config file. A missing one, or a missing base of it, ends the program by `fail`."""
    path = Path(path)
    if not path.is_file():
        if not path.parent.is_dir():
            remedy = f'there is no folder {path.parent} seen from {Path.cwd()}'
        else:
            remedy = did_you_mean(path.name, [p.name for p in path.parent.glob('*.py')],
                                   f'{path.parent} holds no config of a similar name')
        fail(f'there is no config file {path}: {remedy}')
    try:
        return Config.fromfile(path)
    except (FileNotFoundError, ConfigParsingError) as error:
        fail(f'{path}: {" ".join(str(error).split())}')


@contextmanager
def explain_user_errors(cfg: Config) -> Iterator[None]:
    """Turn an unknown type or option of the config, met while building from it, into one line.

    The message names its place in the config and near names, and the program ends with exit code 2.
    So it does at a file that asks for more than data.
    """
    try:
        yield
    except RefusedFileError as error:
        fail(str(error))
    except (KeyError, TypeError) as error:
        if isinstance(error, KeyError):
            explanation = _explain_unknown_type(error, cfg)
        else:
            explanation = (_explain_unknown_optimizer(error, cfg)
                           or _explain_unknown_option(error, cfg))
        if explanation is None:
            raise
        fail(explanation)


def _explain_unknown_type(error: KeyError, cfg: Config) -> Optional[str]:
    message = str(error.args[0]) if error.args else ''
    match = re.match(r'(\S+) is not in the (\S+)::(.+) registry\.', message)
    if not match:
        return None
    name, scope, registry_name = match.groups()
    places = [place for place, node in _nodes(cfg) if node.get('type') == name]
    if not places:
        return None
    registries = [registry for registry in _registries() if registry.name == registry_name]
    homes = [registry.scope for registry in registries if name in registry.module_dict]
    if homes:
        remedy = f'it is in that of {homes[0]}, set default_scope = {homes[0]!r}.'
    else:
        names = {known for registry in registries for known in registry.module_dict}
        remedy = did_you_mean(name, names, 'none of a similar name is registered.')
    return (f'{places[0]}.type = {name!r} is not in the registry {registry_name!r} of {scope}: '
            f'{remedy} (A type of your own needs its module in custom_imports.)')


def _explain_unknown_optimizer(error: TypeError, cfg: Config) -> Optional[str]:
    # MMEngine looks an optimizer up and inspects what it got without a look at whether it got any.
    if 'None is not a callable object' not in str(error):
        return None
    for place, node in _nodes(cfg):
        name = node.get('type')
        if place.endswith('optimizer') and isinstance(name, str) and find_class(name) is None:
            known = mmengine.registry.OPTIMIZERS.module_dict
            remedy = did_you_mean(name, known, f'known are {", ".join(sorted(known))}')
            return f'{place}.type = {name!r} is not a registered optimizer: {remedy}'
    return None


def _explain_unknown_option(error: TypeError, cfg: Config) -> Optional[str]:
    match = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if not match:
        return None
    owner, option = match.groups()
    for place, node in _nodes(cfg):
        cls = find_class(node.get('type')) if option in node else None
        # A class may hand its options on: then the message names a base of it.
        if cls and owner in [base.__name__ for base in cls.__mro__]:
            remedy = did_you_mean(option, options_of(cls), f'it takes {", ".join(options_of(cls))}')
            return f'{place}.{option}: {cls.__name__} has no option {option!r}: {remedy}'
    return None


def _nodes(node: Any, place: str = '') -> Iterator[Tuple[str, dict]]:
    """All dicts of a config with their places, such as ``('model.neck', {...})``."""
    if isinstance(node, Config):
        node = ConfigDict(node._cfg_dict).to_dict()
    if isinstance(node, dict):
        if place:
            yield place, node
        for key, value in node.items():
            yield from _nodes(value, f'{place}.{key}' if place else str(key))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _nodes(value, f'{place}[{index}]')


def _registries() -> List[Registry]:
    return [value for module in (mmaction.registry, mmengine.registry)
            for value in vars(module).values() if isinstance(value, Registry)]


def find_class(name: Any) -> Optional[type]:
    """The registered class of that name (with or without a scope), or None."""
    if isinstance(name, type):
        return name
    for registry in _registries():
        found = registry.module_dict.get(str(name).split('.')[-1])
        if isinstance(found, type):
            return found
    return None


def options_of(cls: type) -> List[str]:
    """Names of all options that the class or one of its bases takes."""
    names = {}
    for base in cls.__mro__[:-1]:
        if '__init__' in vars(base):
            for name, parameter in inspect.signature(base.__init__).parameters.items():
                if name != 'self' and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD,
                                                         parameter.KEYWORD_ONLY):
                    names[name] = None
    return list(names)


def did_you_mean(name: str, known: Any, otherwise: str) -> str:
    """A question that names up to three near names, or ``otherwise`` where none is near."""
    by_lower = {item.lower(): item for item in sorted(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3)
    return f'did you mean {" or ".join(by_lower[item] for item in near)}?' if near else otherwise
