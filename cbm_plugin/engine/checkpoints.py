"""Loading weights that fit, all of them, or saying what does not."""
import os
import re
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Union

from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ..safe_loading import RefusedFileError

MAX_NAMED = 3
"""So many keys of each kind are named in a message; the rest are counted."""


class Differences(NamedTuple):
    """How a checkpoint's weights differ from a model's."""
    missing: List[str]
    unexpected: List[str]
    reshaped: List[str]

    def __str__(self) -> str:
        kinds = ((self.missing, 'missing in the file'), (self.unexpected, 'not in the model'),
                 (self.reshaped, 'of another shape'))
        return '; '.join(f'{len(names)} keys {kind}: {_some(names)}'
                         for names, kind in kinds if names)


def compare(model: Mapping[str, Tensor], checkpoint: Mapping[str, Tensor]) -> Differences:
    """Compare two state dicts by their keys and shapes."""
    both = [key for key in model if key in checkpoint]
    return Differences(
        [key for key in model if key not in checkpoint],
        [key for key in checkpoint if key not in model],
        [f'{key} {tuple(checkpoint[key].shape)}, the model {tuple(model[key].shape)}'
         for key in both if checkpoint[key].shape != model[key].shape])


def load_exactly(model: nn.Module, checkpoint: Union[str, Path], config: str = 'the model') -> None:
    """Load a checkpoint into a model, which it must fit key by key and shape by shape.

    Args:
        model: what to load into; unchanged where the checkpoint does not fit.
        checkpoint: file or URL.
        config: name of the model's config, for the message.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint, asks for more than data, or is another model's, see
            :func:`fitting_weights`.
    """
    path = str(checkpoint)
    if '://' not in path and not os.path.isfile(path):
        raise FileNotFoundError(f'there is no checkpoint {path}: give an existing file or a URL')
    model.load_state_dict(fitting_weights(model, _read(path), path, config))


def fitting_weights(model: nn.Module, loaded: Mapping, path: str, config: str = 'the model',
                    more_allowed: bool = False) -> Dict[str, Tensor]:
    """The weights in a checkpoint, if they are this model's.

    MMEngine loads what fits and warns of the rest, so that a wrong config is tested with random
    weights.

    Args:
        model: what they are for.
        loaded: what the checkpoint holds.
        path: its file or URL, for the message.
        config: name of the model's config, for the message.
        more_allowed: keys that the model does not have are no fault. Default False.

    Raises:
        ValueError: they are another model's: with the keys that differ, and the config that they
            were likely written with.
    """
    weights = _weights(loaded)
    differences = compare(model.state_dict(), weights)
    if differences.missing or differences.reshaped or (differences.unexpected and not more_allowed):
        likely = likely_config(path, loaded.get('meta') or {}, config)
        advice = (f'it was likely written with {likely}' if likely else
                  'use the config it was trained with')
        raise ValueError(f'{path} does not fit {config}: {differences}. The checkpoint is of '
                         f'another architecture: {advice}')
    return weights


def likely_config(checkpoint: str, meta: Mapping, config: str) -> Optional[str]:
    """The config that a checkpoint was written with, as far as can be told; else None.

    MMEngine leaves a copy of the config in the work dir, beside its checkpoints, and writes the
    config's name and the time into each as the experiment's name.
    """
    beside = sorted(Path(checkpoint).parent.glob('*.py')) if '://' not in checkpoint else []
    copies = [path for path in beside if path.name != Path(config).name]
    if len(copies) == 1:
        return str(copies[0])
    name = re.sub(r'_\d{8}_\d{6}$', '', str(meta.get('experiment_name') or ''))
    if not name or name == Path(config).stem:
        return None
    neighbour = Path(config).with_name(f'{name}.py')
    return str(neighbour) if neighbour.is_file() else f'a config named {name}'


def _read(path: str) -> Dict:
    try:
        loaded = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except RefusedFileError:
        raise
    except Exception as error:  # zipfile, torch and the network raise many kinds
        reason = (str(error).strip().splitlines() or [''])[0][:200]
        raise ValueError(f'{path} cannot be read as a checkpoint ({type(error).__name__}: '
                         f'{reason})') from error
    if not isinstance(loaded, dict):
        raise ValueError(f'{path} holds a {type(loaded).__name__}, not a checkpoint: expected a '
                         "dict with a 'state_dict'")
    return loaded


def _weights(loaded: Mapping) -> Dict[str, Tensor]:
    """The weights by name; those of a distributed wrapper without its prefix."""
    weights = loaded.get('state_dict', loaded)
    return {re.sub(r'^module\.', '', key): value for key, value in weights.items()
            if isinstance(value, Tensor)}


def _some(names: List[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ', '.join(names[:MAX_NAMED]) + (f' and {rest} more' if rest > 0 else '')
