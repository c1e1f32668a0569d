"""Models of several networks, each with its own optimizer, on several processes."""
from typing import Any, Dict

import torch
from mmengine.model import MMDistributedDataParallel, MMSeparateDistributedDataParallel
from mmengine.registry import MODEL_WRAPPERS  # the runner asks this one by name, not MMAction2's
from torch.nn.parallel import DistributedDataParallel


class NetworkDistributedDataParallel(MMDistributedDataParallel):
    """One network of a model; takes its place among the model's children.

    Attributes and the state dict are the network's own, so that the model finds what it needs and
    a checkpoint is the same whatever the number of processes. With MMEngine's own wrapper its keys
    would have ``module.`` in their middle, which MMEngine does not find when it loads them.
    """

    def __getattr__(self, name: str) -> Any:
        """What the wrapper lacks, the network may have."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__('module'), name)

    def state_dict(self, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        """The network's."""
        return self.module.state_dict(*args, **kwargs)


@MODEL_WRAPPERS.register_module()
class NetworksDistributedDataParallel(MMSeparateDistributedDataParallel):
    """:class:`mmengine.model.MMSeparateDistributedDataParallel`, on CPUs too.

    For models whose networks are updated in turn, such as ``AdversarialPredictor``. In the config::

        model_wrapper_cfg = dict(type='NetworksDistributedDataParallel')

    Args:
        module: the model; each child with parameters to train is wrapped on its own.
        device_ids: None for parameters on the CPU, whatever MMEngine's runner passes: gloo
            accepts nothing else.
        broadcast_buffers: default False, as MMEngine's runner sets it for the stock wrapper.
        options: see :class:`torch.nn.parallel.DistributedDataParallel`.
    """

    def __init__(self, module: torch.nn.Module, device_ids: Any = None,
                 broadcast_buffers: bool = False, **options: Any) -> None:
        super(DistributedDataParallel, self).__init__()  # as the parent does: it wraps nothing
        self.module = module
        if all(parameter.device.type == 'cpu' for parameter in module.parameters()):
            device_ids = None
        for name, child in list(module.named_children()):
            if any(parameter.requires_grad for parameter in child.parameters()):
                module._modules[name] = NetworkDistributedDataParallel(
                    child, device_ids=device_ids, broadcast_buffers=broadcast_buffers, **options)
