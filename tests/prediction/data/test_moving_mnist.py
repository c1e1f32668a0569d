"""Moving MNIST follows the published protocol, from files of digits to samples."""
import gzip
import math
import pickle
import random
import struct
from pathlib import Path
from typing import List

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from cbm_plugin.engine.seeding import SampleIndex, SeededSampler
from cbm_plugin.prediction.data.moving_mnist import MovingMNIST, digit_corners, draw_digits
from cbm_plugin.prediction.data.pack import PackFrames

# a train digit is known by its brightness, and test digits are darker
TRAIN = np.arange(100, 120, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
TEST = np.arange(20, 30, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
HELD_OUT = 5


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('mnist')
    for name, digits in (('train', TRAIN), ('t10k', TEST)):
        content = struct.pack('>4I', 2051, *digits.shape) + digits.tobytes()
        (folder / f'{name}-images-idx3-ubyte.gz').write_bytes(gzip.compress(content))
    published = np.random.default_rng(0).integers(0, 256, (20, 6, 64, 64), dtype=np.uint8)
    np.save(folder / 'mnist_test_seq.npy', published)
    return folder


def dataset(root: Path, split: str = 'train', **options: object) -> MovingMNIST:
    options = {**dict(num_sequences=30, num_held_out=HELD_OUT, pipeline=[PackFrames()]), **options}
    return MovingMNIST(str(root), split, **options)


def frames(made: MovingMNIST, index: int) -> np.ndarray:
    return made[index]['inputs'].numpy()[:, 0]


def published_corners(start: List[float], theta: float, num_frames: int, room: int) -> list:
    """The loop of the published generators for one digit, of rows and columns."""
    y, x = start
    v_y, v_x = math.sin(theta), math.cos(theta)
    corners = []
    for _ in range(num_frames):
        y, x = y + 0.1 * v_y, x + 0.1 * v_x
        if x <= 0:
            x, v_x = 0, -v_x
        if x >= 1:
            x, v_x = 1, -v_x
        if y <= 0:
            y, v_y = 0, -v_y
        if y >= 1:
            y, v_y = 1, -v_y
        corners.append([int(room * y), int(room * x)])
    return corners


# --- the protocol


def test_digits_go_the_way_of_the_published_generator() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        starts, angles = rng.random((3, 2)), 2 * np.pi * rng.random(3)
        found = digit_corners(np.random.default_rng(seed), 3, 40, 36)
        for n in range(3):
            expected = published_corners(starts[n].tolist(), angles[n], 40, 36)
            assert found[:, n].tolist() == expected


def test_starts_and_directions_are_uniform() -> None:
    corners = digit_corners(np.random.default_rng(0), 4000, 2, 10**6) / 10**6
    inside = ((corners > 0.1) & (corners < 0.9)).all(axis=(0, 2))
    step = (corners[1] - corners[0])[inside]
    assert np.linalg.norm(step, axis=1) == pytest.approx(0.1, abs=1e-5)
    counts = np.histogram(np.arctan2(step[:, 0], step[:, 1]), 8, (-np.pi, np.pi))[0]
    expected = len(step) / 8
    assert ((counts - expected)**2 / expected).sum() < 24.3  # 7 degrees: once in 1,000


def test_digits_are_drawn_where_they_are_and_the_brightest_is_seen() -> None:
    digits = np.random.default_rng(0).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    found = draw_digits(digits, np.array([[[0, 0], [1, 2]], [[5, 5], [4, 3]]]), 8)
    for t, places in enumerate([[(0, 0), (1, 2)], [(5, 5), (4, 3)]]):
        for row in range(8):
            for column in range(8):
                values = [int(digit[row - top, column - left])
                          for digit, (top, left) in zip(digits, places)
                          if 0 <= row - top < 3 and 0 <= column - left < 3]
                assert found[t, row, column] == max(values, default=0)


def test_a_sequence_shows_whole_digits_all_the_time(root: Path) -> None:
    made = dataset(root, num_digits=1)
    for index in range(10):
        sequence = frames(made, index)
        assert sequence.shape == (20, 64, 64)
        assert ((sequence > 0).sum(axis=(1, 2)) == 28 * 28).all()


# --- splits


def shown(root: Path, split: str, number: int, **options: object) -> set:
    made = dataset(root, split, num_sequences=number, num_inputs=1, num_outputs=1, **options)
    return {int(value) for index in range(len(made)) for value in np.unique(frames(made, index))}


def test_each_split_has_digits_of_its_own(root: Path) -> None:
    assert shown(root, 'train', 100) == {0, *range(100, 115)}
    assert shown(root, 'val', 40) == {0, *range(115, 120)}
    assert shown(root, 'test', 80) == {0, *range(20, 30)}
    assert shown(root, 'train', 150, num_held_out=0) == {0, *range(100, 120)}


def test_train_sequences_are_a_function_of_seed_epoch_and_index(root: Path) -> None:
    made = dataset(root)
    drawn = frames(made, SampleIndex(3, seed=1, epoch=2))
    made[SampleIndex(4, seed=1, epoch=2)]
    assert (frames(dataset(root), SampleIndex(3, seed=1, epoch=2)) == drawn).all()
    for other in (SampleIndex(4, 1, 2), SampleIndex(3, 2, 2), SampleIndex(3, 1, 3)):
        assert (frames(made, other) != drawn).any()
    assert (frames(dataset(root, seed=1), SampleIndex(3, 1, 2)) != drawn).any()


def test_other_splits_never_change_and_begin_alike_whatever_their_size(root: Path) -> None:
    made, smaller = dataset(root, 'val'), dataset(root, 'val', num_sequences=4)
    for index in range(4):
        assert (frames(made, SampleIndex(index, 1, 2)) == frames(smaller, index)).all()
    assert (frames(made, 0) != frames(made, 1)).any()


def test_worker_processes_draw_what_one_process_draws(root: Path) -> None:
    made = dataset(root, num_inputs=2, num_outputs=1)
    sampler = SeededSampler(made, seed=5)
    batches = [list(DataLoader(made, 8, sampler=sampler, num_workers=workers,
                               collate_fn=pseudo_collate)) for workers in (0, 1)]
    for one, other in zip(*batches):
        assert all((a == b).all() for a, b in zip(one['inputs'], other['inputs']))


def test_a_subset_shows_the_sequences_of_its_numbers(root: Path) -> None:
    made = dataset(root, 'val')
    subset = made.get_subset([7, 2])
    assert (frames(subset, 0) == frames(made, 7)).all()
    assert subset[1]['data_samples'].name == 'val 2'


def test_all_sequences_are_as_many_as_the_standard_asks(root: Path) -> None:
    assert [len(dataset(root, split, num_sequences=None)) for split in ('train', 'test')] == \
        [10_000, 10_000]


# --- the published test sequences


def test_published_sequences_are_shown_frame_by_frame(root: Path) -> None:
    made = dataset(root, 'test', num_sequences=6, test_file='mnist_test_seq.npy', num_inputs=10,
                   num_outputs=8)
    stored = np.load(root / 'mnist_test_seq.npy')
    for index in (0, 5):
        assert (frames(made, index) == stored[:18, index]).all()
        assert made[index]['inputs'].shape == (18, 1, 64, 64)


def test_published_sequences_are_not_held_in_memory(root: Path) -> None:
    made = dataset(root, 'test', num_sequences=6, test_file='mnist_test_seq.npy')
    assert len(pickle.dumps(made)) < 20_000 < (root / 'mnist_test_seq.npy').stat().st_size


@pytest.mark.parametrize('content, words', [
    (np.zeros((20, 9, 64, 64), np.float32), 'holds float32 .20, 9, 64, 64.*should hold uint8'),
    (np.zeros((20, 64, 64), np.uint8), 'holds uint8 .20, 64, 64'),
    (np.zeros((15, 9, 64, 64), np.uint8), 'sequences of 15 frames.*num_outputs=20'),
    (np.zeros((20, 9, 32, 32), np.uint8), '32 x 32 pixels.*size=64'),
    (np.zeros((20, 9, 64, 64), np.uint8), 'holds 9 sequences, but num_sequences=30'),
    (np.array([dict(a=1)], dtype=object), 'cannot be read as an array of numbers'),
])
def test_a_file_of_other_sequences_is_refused(root: Path, tmp_path: Path, content: np.ndarray,
                                              words: str) -> None:
    np.save(tmp_path / 'other.npy', content, allow_pickle=True)
    with pytest.raises(ValueError, match=words):
        dataset(root, 'test', test_file=str(tmp_path / 'other.npy'))


@pytest.mark.parametrize('name', ['cut.npy', 'text.npy', 'archive.npz'])
def test_a_file_that_is_no_array_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / 'archive.npz', a=TRAIN)
    (tmp_path / 'text.npy').write_bytes(b'<!DOCTYPE html>')
    (tmp_path / 'cut.npy').write_bytes((root / 'mnist_test_seq.npy').read_bytes()[:9000])
    with pytest.raises(ValueError, match=f'{name}.*mnist_test_seq.npy'):
        dataset(root, 'test', test_file=str(tmp_path / name))


# --- wrong options


@pytest.mark.parametrize('options, words', [
    (dict(split='valid'), "split is 'valid': use one of .'test', 'train', 'val'."),
    (dict(num_digits=0), 'num_digits is 0'),
    (dict(num_held_out=20), 'num_held_out=20 leaves none of the 20 digits'),
    (dict(split='val', num_held_out=0), "split 'val' needs at least 1"),
    (dict(num_sequences=0), 'num_sequences=0'),
    (dict(seed=-1), 'seed=-1'),
    (dict(num_outputs=0), 'num_outputs=0 must both be at least 1'),
    (dict(size=27), 'images of 28 x 28 pixels, which do not fit into frames of size=27'),
    (dict(test_file='mnist_test_seq.npy'), "split is 'train'.*set split='test'"),
])
def test_a_wrong_option_is_refused_with_its_bound(root: Path, options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataset(root, **options)


def test_missing_files_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='train-images-idx3-ubyte.gz does not exist'):
        dataset(tmp_path)
    with pytest.raises(FileNotFoundError, match='none.npy does not exist: set test_file'):
        dataset(root, 'test', test_file='none.npy')


# --- what all data sets of sequences do with a sequence that fails


class Broken(MovingMNIST):
    """The third sequence cannot be read, and the fourth is a frame short."""

    def read_frames(self, info: dict) -> List[np.ndarray]:
        if info['number'] == 2:
            raise OSError('no such digit')
        return super().read_frames(info)[:19 if info['number'] == 3 else 20]


def broken(root: Path, **options: object) -> Broken:
    return Broken(str(root), 'train', num_sequences=6, num_held_out=HELD_OUT,
                  pipeline=[PackFrames()], **options)


def test_in_training_the_next_sequence_stands_in_and_names_what_failed(root: Path) -> None:
    made = broken(root)
    found = made[SampleIndex(2, 1, 0)]
    assert (found['inputs'] == made[SampleIndex(4, 1, 0)]['inputs']).all()
    sample = found['data_samples']
    assert sample.name == 'train 4'
    (first, why), (second, short) = sample.faults
    assert (first, why, second) == ('train 2', 'OSError: no such digit', 'train 3')
    assert '19 frames were read, but num_inputs=10 and num_outputs=10 need 20' in short


def test_in_testing_a_sequence_that_fails_is_black(root: Path) -> None:
    found = broken(root, test_mode=True)[2]
    assert found['inputs'].shape == (20, 1, 64, 64) and not found['inputs'].any()
    assert found['data_samples'].name == 'train 2' and found['data_samples'].faults


def test_drawing_leaves_the_global_generators_alone_in_testing(root: Path) -> None:
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    dataset(root, 'val', test_mode=True)[0]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
