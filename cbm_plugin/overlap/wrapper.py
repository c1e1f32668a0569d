"""Clip-by-clip training on several processes."""

from typing import Any, Dict

import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS  # the runner asks this one by name, not MMAction2's
from torch import Tensor


@MODEL_WRAPPERS.register_module()
class ClipwiseDistributedDataParallel(MMDistributedDataParallel):
    """:class:`mmengine.model.MMDistributedDataParallel` for models that train clip by clip.

    The stock wrapper never calls the model's own ``train_step``, so that a backward pass per clip
    would be skipped without a word. In the config::

        model_wrapper_cfg = dict(type='ClipwiseDistributedDataParallel', broadcast_buffers=False)

    Args:
        module: the model; supplies ``train_clipwise``.
        device_ids: None for parameters on the CPU, whatever MMEngine's runner passes: gloo
            accepts nothing else.
        broadcast_buffers: default False, as MMEngine's runner sets it for the stock wrapper:
            several forward passes a step would each broadcast.
        options: see :class:`torch.nn.parallel.DistributedDataParallel`.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        device_ids: Any = None,
        broadcast_buffers: bool = False,
        **options: Any,
    ) -> None:
        if all(parameter.device.type == 'cpu' for parameter in module.parameters()):
            device_ids = None
        super().__init__(
            module, device_ids=device_ids, broadcast_buffers=broadcast_buffers, **options
        )

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """As the model's own ``train_step``, through this wrapper's forward."""
        return self.module.train_clipwise(self, data, optim_wrapper)
