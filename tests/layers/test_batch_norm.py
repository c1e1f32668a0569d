"""In training with batch norm, padding is as if it were not there."""
from typing import Optional

import pytest
import torch
from torch import Tensor, nn

from cbm_plugin.layers import CBM, DeepRNN, FrameBatchNorm, Packing

LENGTHS = [5, 2, 3]
MODES = ['sequence', 'step']


def ragged(extra: int, filling: float) -> Tensor:
    x = torch.randn(3, 5, 3, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.cat([x, x.new_zeros(3, extra, 3, 6, 6)], dim=1)
    for i, length in enumerate(LENGTHS):
        x[i, length:] = filling
    return x


def train_once(statistics: str, x: Tensor) -> tuple:
    torch.manual_seed(1)
    layer = dict(type='CBM', norm='BN', gate_norm='BN', statistics=statistics, temporal_dropout=0.0)
    stack = DeepRNN(3, [4, 4, 4], layer, shortcuts=3, shortcut='projection',
                    statistics=statistics).double().train()
    y, _ = stack(x, lengths=LENGTHS)
    y.square().sum().backward()
    gradients = [parameter.grad for parameter in stack.parameters()]
    return y[:, :5].detach(), gradients, [buffer.clone() for buffer in stack.buffers()]


@pytest.mark.parametrize('statistics', MODES)
@pytest.mark.parametrize('extra, filling', [(0, 7.0), (3, 0.0), (2, 1e6)])
def test_outputs_gradients_and_statistics_depend_on_neither_amount_nor_content_of_padding(
        statistics: str, extra: int, filling: float) -> None:
    expected, got = (train_once(statistics, x) for x in (ragged(0, 0.0), ragged(extra, filling)))
    torch.testing.assert_close(got[0], expected[0])
    for ours, theirs in zip(got[1] + got[2], expected[1] + expected[2]):
        torch.testing.assert_close(ours, theirs)


def normalised_by_hand(x: Tensor, valid: Optional[Tensor]) -> Tensor:
    values = x if valid is None else x[valid]
    mean = values.mean(dim=(0, 2, 3), keepdim=True)
    variance = values.var(dim=(0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize('statistics', MODES)
def test_a_bridge_normalises_over_the_valid_frames_alone(statistics: str) -> None:
    x, valid = ragged(0, 9.0), torch.arange(5) < torch.tensor(LENGTHS)[:, None]
    layer = CBM(3, 4, statistics=statistics, activation='tanh').double().train()
    packing = Packing(3, 5, torch.tensor(LENGTHS))
    got = packing.unpack(layer.bridge(packing.pack(x), packing))
    features = layer.bridge.unit(x.flatten(0, 1)).unflatten(0, (3, 5))
    if statistics == 'sequence':
        by_hand = normalised_by_hand(features.flatten(0, 1), valid.flatten()).unflatten(0, (3, 5))
    else:
        by_hand = torch.stack([normalised_by_hand(features[:, t], valid[:, t])
                               for t in range(5)], dim=1)
    torch.testing.assert_close(got[valid], by_hand.tanh()[valid])


def test_running_statistics_move_once_per_sequence_or_once_per_step() -> None:
    x = torch.randn(2, 5, 3, 6, 6)
    for statistics, updates in (('sequence', 1), ('step', 5)):
        layer = CBM(3, 4, statistics=statistics)
        layer(x)
        assert int(layer.bridge.norm.num_batches_tracked) == updates


def test_without_padding_it_is_the_batch_norm_of_pytorch() -> None:
    x = torch.randn(4, 3, 5, 5)
    ours, theirs = FrameBatchNorm(3), nn.BatchNorm2d(3)
    torch.testing.assert_close(ours(x), theirs(x))
    assert torch.equal(ours.running_var, theirs.running_var)


def test_a_single_vector_trains_and_leaves_the_running_statistics_alone() -> None:
    norm = FrameBatchNorm(3)
    assert torch.equal(norm(torch.randn(1, 3)), norm.bias[None])
    assert int(norm.num_batches_tracked) == 0


def test_synchronised_batch_norm_is_refused_since_processes_differ_in_their_steps() -> None:
    stack = nn.SyncBatchNorm.convert_sync_batchnorm(DeepRNN(3, [4]))
    with pytest.raises(TypeError, match='remove `sync_bn`'):
        stack(torch.zeros(1, 2, 3, 4, 4))
