"""Prediction with an adversarial loss: a discriminator learns what true continuations look like."""
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Tuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from ...registry import MODELS
from .predictor import VideoPredictor

OPTIM_WRAPPER = ("optim_wrapper = dict(constructor='NetworksOptimWrapperConstructor', "
                 'network=dict(optimizer=...), discriminator=dict(optimizer=...))')


@MODELS.register_module()
class AdversarialPredictor(VideoPredictor):
    """A :class:`VideoPredictor` whose network is also to deceive a discriminator.

    As in MCnet (Villegas et al. 2017): each iteration first trains the discriminator to tell the
    true continuation of the inputs from the predicted one, then the network on its losses plus
    ``adversarial_weight`` times the cross-entropy of the prediction being judged true by the
    discriminator just trained. It trains on whole sequences, and needs in the config::

        optim_wrapper = dict(
            constructor='NetworksOptimWrapperConstructor',
            network=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.5, 0.999))),
            discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.5, 0.999))))
        model_wrapper_cfg = dict(type='NetworksDistributedDataParallel')  # for several processes

    Logged besides the losses, whose sum is ``loss``: ``loss_adv`` (weighted; part of the sum),
    ``loss_disc`` (the discriminator's), and the shares ``acc_real`` and ``acc_fake`` of true and
    predicted continuations that the discriminator judged right.

    Args:
        network: see :class:`VideoPredictor`.
        discriminator: a
            :class:`~cbm_plugin.prediction.training.discriminator.FrameSequenceDiscriminator`.
        adversarial_weight: of the adversarial loss. Default 0.02, as published.
        balance_margin: MCnet's rule against one of the two getting too strong, which the published
            training had with 0.3: when the discriminator's cross-entropy on true or on predicted
            continuations is below the margin, it pauses from the next update on; when either is
            above 1 - margin, the network pauses, its other losses too; when both would, both go on.
            Default None: both always train.
        options: see :class:`VideoPredictor`.

    Raises:
        ValueError: the weight is negative or the margin outside 0..0.5; (when trained) there are
            not two optimizer wrappers that accumulate alike, or samples have a clip plan or no
            truth.
    """

    def __init__(self, network: dict, discriminator: dict, adversarial_weight: float = 0.02,
                 balance_margin: Optional[float] = None, **options: Any) -> None:
        super().__init__(network, **options)
        if not adversarial_weight >= 0:
            raise ValueError(f'adversarial_weight must be at least 0, got {adversarial_weight}')
        if balance_margin is not None and not 0 <= balance_margin <= 0.5:
            raise ValueError(f'balance_margin must lie in 0..0.5, got {balance_margin}: 0.3 is '
                             'what MCnet was published with, None does without the rule')
        self.discriminator: nn.Module = MODELS.build(discriminator)
        self.adversarial_weight = adversarial_weight
        self.balance_margin = balance_margin
        if balance_margin is not None:  # in checkpoints, so that a resumed run pauses the same
            self.register_buffer('trains', torch.ones(2, dtype=torch.bool))

    def train_clipwise(self, model: Any, data: dict,
                       optim_wrapper: OptimWrapper) -> Dict[str, Tensor]:
        """One iteration: a step of the discriminator, then one of the network."""
        if model is not self:
            raise ValueError(
                f'{type(model).__name__} wraps the whole of an AdversarialPredictor, whose '
                'networks are trained in turn: set '
                "model_wrapper_cfg = dict(type='NetworksDistributedDataParallel')")
        of_network, of_discriminator = _two_optim_wrappers(optim_wrapper)
        data = self.data_preprocessor(data, training=True)
        inputs, samples = data['inputs'], data['data_samples']
        if samples[0].get('clip_plan') is not None:
            raise ValueError('AdversarialPredictor judges whole sequences, but the samples have a '
                             'clip plan: leave SampleFrameClips out of the pipeline')
        self._check(inputs)
        num_inputs = self._num_inputs(inputs, samples)
        if num_inputs == inputs.shape[1]:
            raise ValueError(f'the sequences have {num_inputs} frames and all are inputs: set '
                             'num_outputs in the training data set to at least 1')
        seen, truth = inputs[:, :num_inputs], inputs[:, num_inputs:]
        network_trains, discriminator_trains = self._who_trains()

        with torch.set_grad_enabled(network_trains), of_network.optim_context(self.network):
            predictions = self.network(inputs, num_inputs,
                                       self.draw_given(inputs, samples, of_network),
                                       self.inputs_too)
        made = predictions[:, -truth.shape[1]:].float()

        with torch.set_grad_enabled(discriminator_trains), \
                of_discriminator.optim_context(self.discriminator):
            real, fake = self.discriminator(seen, truth, made.detach())
        real_loss, fake_loss = _cross_entropy(real, True), _cross_entropy(fake, False)
        loss, judged = self.parse_losses(dict(
            loss_disc=real_loss + fake_loss, acc_real=(real > 0).float(),
            acc_fake=(fake < 0).float()))
        del judged['loss']  # the network's goes by that name
        _update(of_discriminator, loss, discriminator_trains)

        losses = self.compare(predictions, inputs[:, -predictions.shape[1]:])
        with _frozen(self.discriminator) as discriminator, \
                torch.set_grad_enabled(network_trains), of_network.optim_context(self.network):
            fake, = discriminator(seen, made)
        losses['loss_adv'] = self.adversarial_weight * _cross_entropy(fake, True)
        loss, logs = self.parse_losses(losses)
        _update(of_network, loss, network_trains)

        if self.balance_margin is not None and of_network.should_update():
            self._balance(real_loss, fake_loss)
        return {**logs, **judged}

    def _who_trains(self) -> Tuple[bool, bool]:
        """Whether the network and the discriminator train in this iteration."""
        if self.balance_margin is None:
            return True, True
        network, discriminator = self.trains.tolist()
        return network, discriminator

    def _balance(self, real_loss: Tensor, fake_loss: Tensor) -> None:
        """Decide who trains until the next update, alike on all processes."""
        both = torch.stack([real_loss, fake_loss]).detach()
        all_reduce(both, op='mean')
        low, high = both.min() < self.balance_margin, both.max() > 1 - self.balance_margin
        self.trains &= ~torch.stack([high, low])
        self.trains |= ~self.trains.any()


def _two_optim_wrappers(optim_wrapper: OptimWrapper) -> Tuple[OptimWrapper, OptimWrapper]:
    """The network's and the discriminator's."""
    names = set(optim_wrapper.keys()) if isinstance(optim_wrapper, OptimWrapperDict) else set()
    if names != {'network', 'discriminator'}:
        raise ValueError('AdversarialPredictor trains its network and its discriminator, each with '
                         f'its own optimizer: set {OPTIM_WRAPPER}')
    two = optim_wrapper['network'], optim_wrapper['discriminator']
    counts = [wrapper._accumulative_counts for wrapper in two]
    if counts[0] != counts[1]:
        raise ValueError(f'accumulative_counts is {counts[0]} for the network and {counts[1]} for '
                         'the discriminator, but they must be updated at the same iterations: set '
                         'the same number in both entries of optim_wrapper')
    return two


def _update(optim_wrapper: OptimWrapper, loss: Tensor, trains: bool) -> None:
    if trains:
        optim_wrapper.update_params(loss)
    else:
        optim_wrapper._inner_count += 1  # a pause counts as an iteration


def _cross_entropy(logits: Tensor, real: bool) -> Tensor:
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


@contextmanager
def _frozen(network: nn.Module) -> Iterator[nn.Module]:
    """The network without a distributed wrapper, for gradients that go through it, not into it.

    The wrapper would wait for gradients of the parameters in the next backward pass.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield getattr(network, 'module', network)
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
