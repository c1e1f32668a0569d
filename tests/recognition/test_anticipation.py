"""The anticipation loss is the authors', and zero for a confidence that never falls."""
import pytest
import torch

from cbm_plugin.overlap import ClipPlan
from cbm_plugin.recognition import anticipation_loss

from ..layers.golden import load, relative_error
from ..tiny import CLASSES, batch, sgd, tiny_recognizer

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


def test_of_ragged_sequences_only_the_frames_that_count_do() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 6, 4, generator=generator).requires_grad_()
    labels, lengths = torch.tensor([1, 0, 3]), torch.tensor([6, 1, 4])
    together = anticipation_loss(logits, labels, lengths)
    apart = [length * anticipation_loss(logits[i:i + 1, :length], labels[i:i + 1])
             for i, length in enumerate(lengths.tolist())]
    torch.testing.assert_close(together, torch.stack(apart).sum() / lengths.sum())
    gradient, = torch.autograd.grad(together, logits)
    assert not gradient[2, 4:].any() and gradient[2, :4].any()


# --- as an option of the head


def head(**options: object) -> dict:
    return dict(type='RecurrentHead', num_classes=CLASSES, in_channels=4, dropout_ratio=0.0,
                init_std=0.5, topk=1, **options)


def test_the_head_adds_it_as_an_entry_of_its_own_on_ragged_sequences() -> None:
    model = tiny_recognizer(cls_head=head(anticipation_weight=0.5))
    data = model.data_preprocessor(batch([ClipPlan.whole(6), ClipPlan.whole(3)]), training=True)
    logits, _ = model.extract_feat(data['inputs'], data['lengths'], stage='head')
    losses = model.cls_head.loss_of_logits(logits, data['lengths'], data['data_samples'])
    expected = 0.5 * anticipation_loss(logits, torch.tensor([0, 1]), data['lengths'])
    assert float(expected.detach()) > 0
    torch.testing.assert_close(losses['loss_anticipation'], expected)


def test_it_trains_within_each_overlapping_clip_and_adds_to_the_loss() -> None:
    plan = ClipPlan(8, ((0, 5), (3, 8)))

    def step(weight: float) -> dict:
        model = tiny_recognizer(cls_head=head(anticipation_weight=weight))
        return model.train_step(batch([plan, plan]), sgd(model))

    without, with_it = step(0.0), step(2.0)
    assert 'loss_anticipation' not in without and with_it['loss_anticipation'] > 0
    torch.testing.assert_close(with_it['loss_cls'], without['loss_cls'])
    torch.testing.assert_close(with_it['loss'], without['loss'] + with_it['loss_anticipation'])


@pytest.mark.parametrize('options, message', [
    (dict(anticipation_weight=-1), 'must be at least 0'),
    (dict(anticipation_weight=1, multi_class=True), 'multi_class=False')])
def test_a_weight_that_makes_no_sense_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_recognizer(cls_head=head(**options))


def test_mixed_labels_are_refused_with_the_remedy() -> None:
    model = tiny_recognizer(cls_head=head(anticipation_weight=1.0))
    data = batch([ClipPlan.whole(4)] * 2)
    for sample in data['data_samples']:
        sample.set_gt_label(torch.tensor([0.5, 0.5, 0.0]))
    with pytest.raises(ValueError, match='needs one class per video, but a label has 3 entries'):
        model.train_step(data, sgd(model))
