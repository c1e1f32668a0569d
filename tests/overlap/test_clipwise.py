"""Training clip by clip: the gradient of the whole loss, in the memory of one clip."""
from typing import List

import pytest
import torch

from cbm_plugin.overlap import ClipPlan, CoherenceSettings
from cbm_plugin.recognition import RecurrentRecognizer
from cbm_plugin.recognition.recognizer import frames_of

from ..tiny import batch, sgd, tiny_recognizer, weights

PLANS = [ClipPlan(14, ((0, 6), (4, 9), (8, 14))), ClipPlan(11, ((1, 5), (3, 9), (9, 11)))]


def full_loss(model: RecurrentRecognizer, plans: List[ClipPlan],
              settings: CoherenceSettings) -> torch.Tensor:
    """The loss of all clips at once, written out sequence by sequence and clip by clip."""
    data = model.data_preprocessor(batch(plans), training=True)
    number = len(plans[0].clips)
    total = torch.zeros(())
    for i, plan in enumerate(plans):
        probabilities, distances = [], []
        for clip, offset in zip(plan.clips, plan.offsets):
            frames = data['inputs'][i:i + 1, offset:offset + clip.length]
            logits, _ = model.extract_feat(frames, stage='head')
            label = data['data_samples'][i].gt_label
            total = total + torch.nn.functional.cross_entropy(logits.mean(1), label) / number
            probabilities.append(logits.softmax(-1))
        for k, both in plan.pairs:
            here, before = (probabilities[j][:, both.start - plan.clips[j].start:
                                             both.stop - plan.clips[j].start] for j in (k, k - 1))
            distances.append((here - before.detach()).square().mean())
        total = total + settings.weight * torch.stack(distances).mean()
    return total / len(plans)


def test_one_clip_that_covers_everything_is_the_ordinary_training_step() -> None:
    plans = [ClipPlan.whole(6), ClipPlan.whole(4)]
    ordinary, clipwise = tiny_recognizer('BN'), tiny_recognizer('BN')
    data = ordinary.data_preprocessor(batch(plans, keep_plan=False), training=True)
    loss, _ = ordinary.parse_losses(ordinary(**data, mode='loss'))
    sgd(ordinary).update_params(loss)
    log = clipwise.train_step(batch(plans), sgd(clipwise))
    torch.testing.assert_close(log['loss'], loss.detach())
    for ours, theirs in zip(clipwise.state_dict().values(), ordinary.state_dict().values()):
        torch.testing.assert_close(ours, theirs)


def test_without_a_plan_the_whole_sequence_is_the_clip() -> None:
    plans = [ClipPlan.whole(6), ClipPlan.whole(4)]
    a, b = tiny_recognizer(), tiny_recognizer()
    a.train_step(batch(plans), sgd(a))
    b.train_step(batch(plans, keep_plan=False), sgd(b))
    assert all(torch.equal(x, y) for x, y in zip(weights(a), weights(b)))


@pytest.mark.parametrize('weight', [0.0, 5.0])
def test_the_clips_together_give_the_gradient_of_the_sum_of_their_losses(weight: float) -> None:
    settings = CoherenceSettings(weight)
    model = tiny_recognizer()
    before = weights(model)
    loss = full_loss(model, PLANS, settings)
    expected = torch.autograd.grad(loss, list(model.parameters()))
    model.coherence = settings
    log = model.train_step(batch(PLANS), sgd(model))
    torch.testing.assert_close(log['loss'], loss.detach())
    for old, new, gradient in zip(before, weights(model), expected):
        torch.testing.assert_close(old - new, gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize('accumulative_counts', [1, 2, 4])
def test_accumulation_counts_a_sequence_as_one_iteration(accumulative_counts: int) -> None:
    model = tiny_recognizer()
    before = weights(model)
    expected = [torch.zeros_like(p) for p in before]
    wrapper = sgd(model, accumulative_counts=accumulative_counts)
    wrapper.initialize_count_status(model, 0, 8)
    for iteration in range(accumulative_counts):
        assert all(torch.equal(a, b) for a, b in zip(before, weights(model)))
        loss = full_loss(model, PLANS, CoherenceSettings()) / accumulative_counts
        for total, part in zip(expected, torch.autograd.grad(loss, list(model.parameters()))):
            total += part
        model.train_step(batch(PLANS), wrapper)
        assert wrapper.inner_count == iteration + 1
    for old, new, gradient in zip(before, weights(model), expected):
        torch.testing.assert_close(old - new, gradient, atol=1e-6, rtol=1e-4)


def test_clipping_sees_the_gradient_of_all_clips() -> None:
    model = tiny_recognizer()
    before = weights(model)
    gradient = torch.autograd.grad(full_loss(model, PLANS, CoherenceSettings()),
                                   list(model.parameters()))
    norm = torch.stack([g.norm() for g in gradient]).norm()
    model.train_step(batch(PLANS), sgd(model, clip_grad=dict(max_norm=float(norm) / 2)))
    for old, new, g in zip(before, weights(model), gradient):
        torch.testing.assert_close(old - new, g / 2, atol=1e-6, rtol=1e-4)


def saved_bytes(plans: List[ClipPlan]) -> int:
    """The most that is saved for backward at any time of a training step."""
    model, wrapper = tiny_recognizer(), None
    model.coherence = CoherenceSettings(0.8)
    wrapper = sgd(model)
    alive, peak = 0, 0

    class Saved:
        def __init__(self, tensor: torch.Tensor) -> None:
            nonlocal alive, peak
            self.tensor, self.bytes = tensor, tensor.numel() * tensor.element_size()
            alive += self.bytes
            peak = max(peak, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= self.bytes

    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
        model.train_step(batch(plans, size=16), wrapper)
    return peak


def test_what_is_saved_for_backward_does_not_grow_with_the_number_of_clips() -> None:
    few = saved_bytes([ClipPlan(50, tuple((4 * k, 4 * k + 6) for k in range(2)))] * 2)
    many = saved_bytes([ClipPlan(50, tuple((4 * k, 4 * k + 6) for k in range(10)))] * 2)
    assert few > 100_000 and many <= few * 1.01


def test_frames_stay_uint8_until_their_clip_is_normalised() -> None:
    model, seen = tiny_recognizer(), []
    normalize = model.data_preprocessor.normalize
    model.data_preprocessor.normalize = lambda x: seen.append((x.dtype, len(x))) or normalize(x)
    model.train_step(batch(PLANS), sgd(model))
    clips = [sum(plan.clips[k].length for plan in PLANS) for k in range(3)]
    assert seen == [(torch.uint8, frames) for frames in clips]


# --- state policies


def clip_logits(model: RecurrentRecognizer, plans: List[ClipPlan], policy: str) -> list:
    """Logits of each clip as train_step forwards them."""
    seen: list = []
    forward = model.cls_head.forward
    model.cls_head.forward = lambda *args: seen.append(forward(*args)) or seen[-1]
    model.coherence = CoherenceSettings(state=policy)
    model.train_step(batch(plans), sgd(model))
    return seen


def whole_logits(model: RecurrentRecognizer, plan: ClipPlan) -> torch.Tensor:
    data = model.data_preprocessor(batch([plan]), training=True)
    return model.extract_feat(data['inputs'], stage='head')[0][0]


NESTED = ClipPlan(12, ((0, 8), (2, 4), (6, 12)))


def test_under_carry_every_clip_equals_the_uninterrupted_sequence() -> None:
    expected = whole_logits(tiny_recognizer(), NESTED)
    for clip, logits in zip(NESTED.clips, clip_logits(tiny_recognizer(), [NESTED], 'carry')):
        torch.testing.assert_close(logits[0], expected[clip.start:clip.stop])


def test_under_carry_a_ragged_batch_hands_each_sequence_its_own_state() -> None:
    other = ClipPlan(12, ((0, 6), (3, 9), (7, 12)))
    for i, plan in enumerate((NESTED, other)):
        data = tiny_recognizer().data_preprocessor(batch([NESTED, other]), training=True)
        expected = tiny_recognizer().extract_feat(data['inputs'][i:i + 1], stage='head')[0][0]
        ours = clip_logits(tiny_recognizer(), [NESTED, other], 'carry')
        for clip, logits in zip(plan.clips, ours):
            torch.testing.assert_close(logits[i, :clip.length], expected[clip.start:clip.stop])


def test_under_carry_a_clip_that_nothing_reaches_starts_from_zero() -> None:
    plan = ClipPlan(12, ((0, 4), (6, 10)))
    carried, reset = (clip_logits(tiny_recognizer(), [plan], p) for p in ('carry', 'reset'))
    torch.testing.assert_close(carried[1], reset[1])


def test_under_carry_the_coherence_is_zero() -> None:
    model = tiny_recognizer()
    model.coherence = CoherenceSettings(0.8, state='carry')
    log = model.train_step(batch([ClipPlan(12, ((0, 8), (2, 9), (6, 12)))]), sgd(model))
    assert float(log['coherence']) < 1e-12


def test_under_reset_every_clip_starts_from_zero_and_clips_disagree() -> None:
    model = tiny_recognizer()
    logits = clip_logits(model, [NESTED], 'reset')
    fresh = tiny_recognizer()
    data = fresh.data_preprocessor(batch([NESTED]), training=True)
    alone = fresh.extract_feat(data['inputs'][:, 6:12], stage='head')[0]
    torch.testing.assert_close(logits[2], alone)


def test_under_last_a_clip_goes_on_from_the_end_of_the_one_before_it() -> None:
    fresh = tiny_recognizer()
    data = fresh.data_preprocessor(batch([NESTED]), training=True)
    _, state = fresh.extract_feat(data['inputs'][:, 0:8])
    expected, _ = fresh.extract_feat(data['inputs'][:, 2:4], state=state, stage='head')
    torch.testing.assert_close(clip_logits(tiny_recognizer(), [NESTED], 'last')[1], expected)


def test_a_carried_state_hands_no_gradient_back_to_the_clip_it_came_from() -> None:
    plan, label = ClipPlan(8, ((0, 4), (4, 8))), torch.tensor([0])
    model = tiny_recognizer()
    before = weights(model)
    data = model.data_preprocessor(batch([plan]), training=True)
    _, state = model.extract_feat(data['inputs'][:, :4])
    state = tuple(leaf.detach() for leaf in state)
    logits = [model.extract_feat(data['inputs'][:, :4], stage='head')[0],
              model.extract_feat(data['inputs'][:, 4:], state=state, stage='head')[0]]
    loss = sum(torch.nn.functional.cross_entropy(x.mean(1), label) for x in logits) / 2
    expected = torch.autograd.grad(loss, list(model.parameters()))
    model.coherence = CoherenceSettings(state='carry')
    model.train_step(batch([plan]), sgd(model))
    for old, new, gradient in zip(before, weights(model), expected):
        torch.testing.assert_close(old - new, gradient, atol=1e-6, rtol=1e-4)


# --- what does not fit


def test_plans_with_different_numbers_of_clips_are_refused() -> None:
    model = tiny_recognizer()
    plans = [ClipPlan(8, ((0, 4), (2, 6))), ClipPlan.whole(8)]
    with pytest.raises(ValueError, match=r'have \[1, 2\] clips, but one number serves a batch'):
        model.train_step(batch(plans), sgd(model))


def test_frames_that_do_not_fit_the_plan_are_refused() -> None:
    model, data = tiny_recognizer(), batch(PLANS)
    data['inputs'][0] = data['inputs'][0][:-1]
    with pytest.raises(ValueError, match='a sample has 13 frames, but its clip plan needs 14'):
        model.train_step(data, sgd(model))


def test_the_coherence_of_a_step_is_that_of_its_pairs() -> None:
    model, settings = tiny_recognizer(), CoherenceSettings(0.0)
    loss_with = full_loss(model, PLANS, CoherenceSettings(1.0)) - full_loss(model, PLANS, settings)
    log = model.train_step(batch(PLANS), sgd(model))
    torch.testing.assert_close(log['coherence'], loss_with.detach(), atol=1e-6, rtol=1e-3)
    assert float(log['loss_coherence']) == 0


def test_frames_of_a_clip_are_the_frames_of_its_positions() -> None:
    from cbm_plugin.overlap.clipwise import batch_clips
    model = tiny_recognizer()
    data = model.data_preprocessor(batch(PLANS), training=True)
    whole = [torch.zeros(plan.length, *data['inputs'].shape[2:], dtype=torch.uint8)
             for plan in PLANS]
    for i, plan in enumerate(PLANS):
        whole[i][plan.positions] = data['inputs'][i, :len(plan.positions)]
    for clip in batch_clips(PLANS):
        frames = frames_of(data['inputs'], clip)
        for i, plan in enumerate(PLANS):
            span = plan.clips[clip.index]
            assert torch.equal(frames[i, :span.length], whole[i][span.start:span.stop])


def test_gradients_are_zeroed_after_the_step() -> None:
    model = tiny_recognizer()
    model.train_step(batch(PLANS), sgd(model))
    assert all(p.grad is None for p in model.parameters())
