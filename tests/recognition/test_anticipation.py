"""The anticipation loss is the authors', and zero for a confidence that never falls."""
import pytest
import torch

from cbm_plugin.recognition import anticipation_loss

from ..layers.golden import load, relative_error

FLOAT32 = 1.1e-5


@pytest.mark.parametrize('case', ['anticipation', 'anticipation101'])
def test_the_authors_loss_is_reproduced_with_its_gradient(case: str) -> None:
    g = load('losses')
    logits = g[f'{case}/logits'].requires_grad_()
    loss = anticipation_loss(logits, g[f'{case}/action'].long())
    assert relative_error(loss, g[f'{case}/loss']) < FLOAT32
    gradient, = torch.autograd.grad(loss, logits)
    assert relative_error(gradient, g[f'{case}/grad']) < FLOAT32


def test_rising_confidence_costs_nothing_and_a_fall_its_depth() -> None:
    logits = torch.zeros(1, 4, 3)
    logits[0, :, 1] = torch.tensor([0.0, 1.0, 2.0, 3.0])
    assert float(anticipation_loss(logits, torch.tensor([1]))) == 0
    logits[0, 3, 1] = 0.5
    assert float(anticipation_loss(logits, torch.tensor([1]))) == pytest.approx(2 * 1.5 / 4)


def test_one_frame_cannot_fall() -> None:
    assert float(anticipation_loss(torch.ones(2, 1, 3), torch.tensor([0, 1]))) == 0


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r'\(N, T\) or \(N,\)'):
        anticipation_loss(torch.zeros(2, 3, 4), torch.zeros(2, 4).long())
