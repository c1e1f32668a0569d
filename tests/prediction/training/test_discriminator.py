"""The discriminator is the published one, and says what does not fit it."""
import pytest
import torch
from torch.nn import functional as F

from cbm_plugin.prediction.training.discriminator import FrameSequenceDiscriminator


def tiny(**options: object) -> FrameSequenceDiscriminator:
    torch.manual_seed(0)
    return FrameSequenceDiscriminator(**dict(dict(num_frames=3, channels=2, size=(16, 32),
                                                  widths=(4, 6)), **options))


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    widths = [20, 64, 128, 256, 512]
    convolutions = sum(25 * a * b + b for a, b in zip(widths, widths[1:]))
    norms = sum(2 * b for b in widths[2:])
    built = FrameSequenceDiscriminator(num_frames=20)
    assert sum(p.numel() for p in built.parameters()) == convolutions + norms + 512 * 8 * 8 + 1


def test_the_logit_is_that_of_the_layers_written_out() -> None:
    judge = tiny()
    frames = torch.rand(2, 3, 2, 16, 32)
    first, second = (module for module in judge.features if isinstance(module, torch.nn.Conv2d))
    # frame by frame, the channels of a frame side by side
    maps = 2 * torch.cat([frames[:, t] for t in range(3)], dim=1) - 1
    maps = F.leaky_relu(F.conv2d(maps, first.weight, first.bias, stride=2, padding=2), 0.2)
    maps = F.conv2d(maps, second.weight, second.bias, stride=2, padding=2)
    mean, variance = maps.mean((0, 2, 3), keepdim=True), maps.var((0, 2, 3), False, keepdim=True)
    maps = F.leaky_relu((maps - mean) / (variance + 1e-5).sqrt(), 0.2)
    by_hand = maps.flatten(1) @ judge.classify.weight[0] + judge.classify.bias
    logit, = judge(frames[:, :1], frames[:, 1:])
    torch.testing.assert_close(logit, by_hand, atol=1e-5, rtol=1e-5)


def test_continuations_judged_in_one_call_do_not_know_of_each_other() -> None:
    judge = tiny()
    frames, other = torch.rand(2, 3, 2, 16, 32), torch.rand(2, 2, 2, 16, 32)
    together = judge(frames[:, :1], frames[:, 1:], other)
    assert torch.equal(together[0], judge(frames[:, :1], frames[:, 1:])[0])
    assert torch.equal(together[1], judge(frames[:, :1], other)[0])


def test_a_size_that_the_strides_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match='24x32 frames 4 times: both sides must be multiples of '
                                         '16'):
        FrameSequenceDiscriminator(num_frames=3, size=(24, 32))


def test_sequences_it_was_not_built_for_are_refused_with_what_to_set() -> None:
    with pytest.raises(ValueError, match=r'num_frames=4, channels=2, size=\(16, 16\)'):
        tiny()(torch.rand(2, 2, 2, 16, 16), torch.rand(2, 2, 2, 16, 16))


def test_one_sequence_with_one_place_left_is_refused() -> None:
    judge = tiny(size=4)
    with pytest.raises(ValueError, match='use batch_size 2 or more'):
        judge(torch.rand(1, 1, 2, 4, 4), torch.rand(1, 2, 2, 4, 4))
