"""Reading the golden vectors, and naming their parameters as ours."""
from pathlib import Path
from typing import Dict

import numpy as np
import torch
from torch import Tensor, nn

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'


def load(name: str) -> Dict[str, Tensor]:
    """The arrays of one golden file as tensors."""
    with np.load(GOLDEN / f'{name}.npz') as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over the largest reference value."""
    scale = theirs.abs().max().clamp_min(1e-30)
    return float((ours.detach() - theirs).abs().max() / scale)


def split(weight: Tensor, first: int) -> tuple:
    """One convolution's weight over two concatenated inputs -> the weights over each."""
    return weight[:, :first], weight[:, first:]


def copy_parameters(targets: Dict[nn.Parameter, Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in targets.items():
            parameter.copy_(value)
