"""Reading their files without running anything that is in them, and writing ours whole."""
import re
import warnings
from pathlib import Path
from typing import Any, Dict, List, Tuple

from torch import Tensor

from cbm_plugin.safe_loading import RefusedFileError, load

from .mapping import ConversionError

WHY_DROPPED = dict(
    opt="the optimizer's state: it numbers the parameters of their model",
    epoch='their count of epochs', step='their count of steps',
    max_acc='their best accuracy so far')


def read(path: Path) -> Tuple[Dict[str, Tensor], List[dict]]:
    """The weights by name, without ``module.``, and rows of what else the file holds.

    Any ``torch.save`` file, also of Python 2 and of the time before zip files. Only tensors and
    plain values are unpickled.

    Raises:
        ConversionError: the file asks for anything else, or holds no state dict.
    """
    loaded = _load(path)
    dropped: List[dict] = []
    if isinstance(loaded, dict) and isinstance(loaded.get('model'), dict):
        dropped = [dict(theirs=str(key), why=WHY_DROPPED.get(key, 'not a weight'))
                   for key in loaded if key != 'model']
        loaded = loaded['model']
    if not isinstance(loaded, dict):
        raise ConversionError(f'it holds a {type(loaded).__name__}, not a state dict')
    weights: Dict[str, Tensor] = {}
    for key, value in loaded.items():
        if not isinstance(value, Tensor):
            raise ConversionError(f'{key!r} is a {type(value).__name__}, not a weight: expected a '
                                  "state dict, or one as 'model' of a dict")
        name = re.sub(r'^(module\.)+', '', str(key))
        if name in weights:
            raise ConversionError(f'{name} is there with and without module.')
        weights[name] = value
    return weights, dropped


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():  # "encoding only works if weights_only=False": it works
            warnings.filterwarnings('ignore', 'pickle_load_args only works')
            return load(path, map_location='cpu', encoding='latin1')
    except RefusedFileError as error:
        raise ConversionError(str(error).replace(f'{path} ', '', 1)) from error
    except Exception as error:  # zipfile and torch raise many kinds
        reason = ' '.join(str(error).split())
        raise ConversionError(f'cannot be read ({type(error).__name__}: {reason[:200]})') from error
