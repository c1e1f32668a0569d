"""The early cue: the class shows in the first frames, in each of them, and nowhere else."""
import pytest
import torch

from cbm_plugin.synthetic import early_cue_sequences


def nearest_class_mean(train: torch.Tensor, train_labels: torch.Tensor,
                       test: torch.Tensor) -> torch.Tensor:
    """Labels of the class means (in pixels) nearest to each test frame."""
    means = torch.stack([train[train_labels == label].mean(0) for label in train_labels.unique()])
    return torch.cdist(test.flatten(1), means.flatten(1)).argmin(1)


def accuracy_at_frame(frames: torch.Tensor, labels: torch.Tensor, t: int) -> float:
    half = len(labels) // 2
    predicted = nearest_class_mean(frames[:half, t], labels[:half], frames[half:, t])
    return (predicted == labels[half:]).float().mean().item()


@pytest.fixture(scope='module')
def sequences():
    return early_cue_sequences(2000, seed=3)


def test_frames_are_float_sequences_and_labels_are_balanced(sequences):
    frames, labels = sequences
    assert frames.shape == (2000, 16, 1, 8, 8) and frames.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert labels.bincount().tolist() == [500] * 4


def test_labels_come_in_random_order(sequences):
    labels = sequences[1]
    assert abs((labels[1:] == labels[:-1]).float().mean().item() - 0.25) < 0.05


@pytest.mark.parametrize('t', [0, 3])
def test_each_frame_of_the_cue_alone_names_the_class(sequences, t):
    assert accuracy_at_frame(*sequences, t) == 1.0


@pytest.mark.parametrize('t', [4, 9, 15])
def test_frames_after_the_cue_tell_nothing(sequences, t):
    # 1000 test frames: a standard error of chance is .0137.
    assert abs(accuracy_at_frame(*sequences, t) - 0.25) < 3.5 * 0.0137


def test_a_weak_cue_in_all_frames_is_doubtful_in_one_and_sure_in_their_mean():
    frames, labels = early_cue_sequences(2000, 16, cue_frames=16, seed=3, cue_level=0.1)
    assert 0.35 < accuracy_at_frame(frames, labels, 9) < 0.7
    assert accuracy_at_frame(frames.mean(1, keepdim=True), labels, 0) > 0.9


def test_noise_after_the_cue_has_one_distribution_for_all_classes(sequences):
    frames, labels = sequences
    for label in range(4):
        noise = frames[labels == label, 4:]
        assert abs(noise.mean().item()) < 0.005
        assert abs(noise.std().item() - 0.5) < 0.005


def test_one_seed_gives_the_same_sequences_and_another_gives_others():
    frames, labels = early_cue_sequences(40, seed=1)
    again, labels_again = early_cue_sequences(40, seed=1)
    other, _ = early_cue_sequences(40, seed=2)
    assert torch.equal(frames, again) and torch.equal(labels, labels_again)
    assert not torch.equal(frames, other)


def test_more_than_four_classes_get_a_cell_each():
    frames, labels = early_cue_sequences(700, num_frames=2, cue_frames=1, size=9, classes=7, seed=0)
    assert accuracy_at_frame(frames, labels, 0) == 1.0


@pytest.mark.parametrize('wrong, words', [
    (dict(cue_frames=17), 'cue_frames=17 is not within 1..num_frames=16'),
    (dict(cue_frames=0), 'cue_frames=0'),
    (dict(classes=1), 'classes=1'),
    (dict(cue_level=0), 'cue_level=0 shows no cue'),
    (dict(size=2, classes=5), 'size=2 is too small for 5 classes.*size >= 3'),
])
def test_a_wrong_argument_is_named_with_its_bound(wrong, words):
    with pytest.raises(ValueError, match=words):
        early_cue_sequences(8, **wrong)
