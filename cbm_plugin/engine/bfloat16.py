"""Mixed precision in bfloat16, on the CPU too."""
from contextlib import contextmanager
from typing import Iterator

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS  # the root: found under any default_scope
from torch import nn

SLOW_BFLOAT16 = (
    'this CPU has no instructions for bfloat16 (AMX or AVX-512 BF16): its convolutions are slower '
    'than float32 ones. Leave --amp out to train faster')


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Trains under ``torch.autocast`` in bfloat16 on whatever device the parameters are.

    MMEngine's ``AmpOptimWrapper`` refuses the CPU. bfloat16 has float32's range, so there is no
    loss scale to keep; weights, gradients and the optimizer's state stay float32, cells of LSTM
    layers too, and evaluation is float32. In a config::

        optim_wrapper = dict(type='Bfloat16OptimWrapper', optimizer=..., clip_grad=...)

    It can run clip by clip: accumulation, clipping and resuming are ``OptimWrapper``'s.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Forward passes in bfloat16; gradients wait where they are accumulated."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield


def bfloat16_is_slow() -> bool:
    """Whether the CPU computes bfloat16 convolutions more slowly than float32 ones."""
    supported = [getattr(torch.cpu, name, None) for name in
                 ('_is_amx_tile_supported', '_is_avx512_bf16_supported')]
    return all(supported) and not any(ask() for ask in supported if ask is not None)
