"""One optimizer for each of a model's networks."""
from typing import Any, ContextManager, Dict, Optional

from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS  # the root: found under any default_scope
from torch import nn


class NetworksOptimWrapper(OptimWrapperDict):
    """Optimizer wrappers by the names of the networks that they train.

    MMEngine's ``OptimWrapperDict`` leaves out two things that are done here: each wrapper gets to
    know how many iterations there are and which is the first (without it gradient accumulation
    loses the last gradients, and starts at a wrong place after a resume), and norms of clipped
    gradients are logged as ``<network>.grad_norm``, as rates are as ``<network>.lr``.
    """

    def __init__(self, **optim_wrappers: OptimWrapper) -> None:
        super().__init__(**optim_wrappers)
        for name, wrapper in optim_wrappers.items():
            if hasattr(wrapper, 'grad_name'):  # it clips
                wrapper.grad_name = f'{name}.{wrapper.grad_name}'

    def initialize_count_status(self, model: nn.Module, cur_iter: int, max_iters: int) -> None:
        """Tell each wrapper the first iteration and the number of them."""
        model = _without_wrapper(model)
        for name, wrapper in self.items():
            wrapper.initialize_count_status(getattr(model, name, model), cur_iter, max_iters)

    def optim_context(self, model: nn.Module) -> ContextManager:
        """There is none for all networks: :raises TypeError: with what to change."""
        raise TypeError(
            f'{type(_without_wrapper(model)).__name__} is trained by one optimizer wrapper, but '
            f'optim_wrapper has {len(self)} ({", ".join(self.keys())}): use a model that steps '
            "each, such as AdversarialPredictor (on several processes with model_wrapper_cfg = "
            "dict(type='NetworksDistributedDataParallel')), or a single optimizer wrapper")


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class NetworksOptimWrapperConstructor:
    """Builds an optimizer wrapper for each child module of a model that the config names.

    In the config::

        optim_wrapper = dict(
            constructor='NetworksOptimWrapperConstructor',
            network=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4)),
            discriminator=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4)))

    An entry is what ``optim_wrapper`` is for one optimizer, with its own ``type`` (default
    ``OptimWrapper``), ``clip_grad``, ``accumulative_counts``, ``paramwise_cfg`` or ``constructor``.
    One ``param_scheduler`` serves all, or there is a dict of them by the same names.

    Args:
        optim_wrapper_cfg: the entries by the names of the child modules.
        paramwise_cfg: must be None: it belongs into an entry.

    Raises:
        ValueError: ``paramwise_cfg`` is given, or no entry; (when called) an entry names no child
            module with parameters to train, or a parameter to train is in no entry.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: Optional[dict] = None) -> None:
        if paramwise_cfg is not None:
            raise ValueError('optim_wrapper.paramwise_cfg stands beside several networks: move it '
                             'into the entry of the network that it is for')
        self.entries: Dict[str, Any] = dict(optim_wrapper_cfg)
        if 'optimizer' in self.entries or 'type' in self.entries or not self.entries:
            raise ValueError(
                'optim_wrapper with NetworksOptimWrapperConstructor has an entry for each network, '
                'such as network=dict(optimizer=...), discriminator=dict(optimizer=...), but has '
                f'{", ".join(self.entries) or "none"}')

    def __call__(self, model: nn.Module) -> NetworksOptimWrapper:
        """Build the wrappers for a model, or for its distributed wrapper."""
        model = _without_wrapper(model)
        trained = {name: child for name, child in model.named_children()
                   if any(parameter.requires_grad for parameter in child.parameters())}
        for name in self.entries:
            if name not in trained:
                raise ValueError(
                    f'optim_wrapper.{name}: {type(model).__name__} has no child module {name!r} '
                    f'with parameters to train: it has {", ".join(trained) or "none"}')
        wrappers = NetworksOptimWrapper(**{name: build_optim_wrapper(trained[name], entry)
                                           for name, entry in self.entries.items()})
        self._check_all_trained(model, wrappers)
        return wrappers

    @staticmethod
    def _check_all_trained(model: nn.Module, wrappers: NetworksOptimWrapper) -> None:
        held = {id(parameter) for groups in wrappers.param_groups.values() for group in groups
                for parameter in group['params']}
        left = [name for name, parameter in model.named_parameters()
                if parameter.requires_grad and id(parameter) not in held]
        if left:
            raise ValueError(
                f'{len(left)} parameters of {type(model).__name__} are in no optimizer, the first '
                f'is {left[0]}: add an entry for its child module to optim_wrapper, which has '
                f'{", ".join(wrappers.keys())}, or freeze it (requires_grad=False)')


def _without_wrapper(model: nn.Module) -> nn.Module:
    return getattr(model, 'module', model)
