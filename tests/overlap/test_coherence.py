"""The coherence loss is the authors' on their vectors, and matches frames by absolute position."""
import pytest
import torch
from torch.nn import functional as F

from cbm_plugin.overlap import CoherenceSettings, overlap_distance

from ..layers.golden import load, relative_error

FLOAT32 = 1.1e-5


def distance(previous: torch.Tensor, previous_start: int, current: torch.Tensor, start: int,
             kind: str = 'mse') -> torch.Tensor:
    def full(value: int) -> torch.Tensor:
        return torch.full((len(current),), value)

    return overlap_distance(previous, full(previous_start), full(previous.shape[1]), current,
                            full(start), full(current.shape[1]), kind)


@pytest.mark.parametrize('variant', ['backbone', 'standalone'])
def test_the_loss_of_the_action_trainers_is_reproduced_with_its_gradient(variant: str) -> None:
    g = load('losses')
    slices, overlaps = g[f'{variant}/logits'], g[f'{variant}/overlap_frame_num'].long()
    for s in range(3):
        logits = slices[s].clone().requires_grad_()
        if variant == 'backbone':
            task = F.cross_entropy(logits.mean(1), g[f'{variant}/label'])
        else:
            task = F.nll_loss(logits.log_softmax(-1).mean(1), g[f'{variant}/label'])
        prefix = f'{variant}/slice{s}'
        assert relative_error(task, g[f'{prefix}/loss_classification']) < FLOAT32
        if s == 0:
            continue
        probabilities = logits.softmax(-1)
        shared = overlaps[s].flatten()
        apart = overlap_distance(
            slices[s - 1].softmax(-1), torch.zeros(2).long(), torch.full((2,), 10), probabilities,
            10 - shared, torch.full((2,), 10)).mean()
        assert relative_error(apart, g[f'{prefix}/loss_coherence']) < FLOAT32
        loss = task + 0.7 * apart
        assert relative_error(loss, g[f'{prefix}/loss_lambda0.7']) < FLOAT32
        gradient = torch.autograd.grad(loss, logits, retain_graph=True)[0]
        assert relative_error(gradient, g[f'{prefix}/grad_loss']) < FLOAT32


def test_the_pairs_of_the_polygon_trainer_are_reproduced() -> None:
    g = load('losses')
    probabilities = g['aux/logits'].softmax(-1)
    for pair, shared in enumerate(g['aux/py3/overlap'].tolist()):
        earlier, later = probabilities[pair:pair + 1], probabilities[pair + 1:pair + 2]
        apart = distance(earlier, 0, later, 10 - int(shared))
        assert relative_error(apart[0], g['aux/py3/pair_mse'][pair]) < FLOAT32
    # their sum is divided by the 80 rows of the batch, not by the 7 pairs: the known fault
    total = g['aux/py3/pair_mse'].sum() / 80
    assert relative_error(total, g['aux/py3/loss_coherence'][0]) < FLOAT32


def distributions(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def test_frames_are_matched_by_absolute_position_never_by_place_in_the_clip() -> None:
    video = distributions(2, 20, 5)
    assert distance(video[:, 3:11], 3, video[:, 7:15], 7).tolist() == [0, 0]
    assert distance(video[:, 3:11], 3, video[:, 7:15], 8).min() > 0


@pytest.mark.parametrize('kind', ['mse', 'kl'])
def test_the_mean_is_over_the_shared_frames_of_each_sequence(kind: str) -> None:
    a, b = distributions(2, 6, 5), distributions(2, 6, 5, seed=1)
    starts, lengths = torch.tensor([4, 0]), torch.tensor([3, 2])  # share 2 frames; 2 frames
    got = overlap_distance(a, torch.zeros(2).long(), torch.tensor([6, 6]), b, starts, lengths, kind)
    for i, (mine, theirs) in enumerate(((b[0, :2], a[0, 4:6]), (b[1, :2], a[1, :2]))):
        if kind == 'mse':
            expected = F.mse_loss(mine, theirs)
        else:
            expected = F.kl_div(mine.log(), theirs, reduction='batchmean')
        torch.testing.assert_close(got[i], expected)


def test_clips_that_share_nothing_are_at_distance_zero() -> None:
    a, b = distributions(1, 4, 5), distributions(1, 4, 5, seed=1)
    assert distance(a, 0, b, 4).tolist() == [0]


def test_the_earlier_clip_gets_no_gradient() -> None:
    a, b = distributions(1, 4, 5).requires_grad_(), distributions(1, 4, 5, seed=1).requires_grad_()
    distance(a, 0, b, 2).sum().backward()
    assert a.grad is None and b.grad[0, :2].abs().sum() > 0 and not b.grad[0, 2:].any()


def test_a_clip_within_the_one_before_it_is_matched_from_its_start() -> None:
    video = distributions(1, 20, 5)
    assert distance(video[:, 2:12], 2, video[:, 5:7], 5).tolist() == [0]


@pytest.mark.parametrize('options, message', [
    (dict(weight=-1), 'coherence weight is -1'),
    (dict(distance='l1'), "distance 'l1' is unknown: use one of"),
    (dict(state='keep'), "state policy 'keep' is unknown")])
def test_unknown_settings_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CoherenceSettings(**options)
