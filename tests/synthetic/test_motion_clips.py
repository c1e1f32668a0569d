"""Motion clips: only motion tells the classes apart, and the files hold what was drawn."""
import json
import multiprocessing
import zlib
from pathlib import Path

import decord
import numpy as np
import pytest

from cbm_plugin.synthetic import CLASS_NAMES, make_motion_clips, motion_clips, render_motion_clip
from cbm_plugin.synthetic.motion_clips import (
    ATTRIBUTES,
    RADII,
    SHAPES,
    SPEEDS,
    attribute_phases,
    shape_mask,
)

NUM_CLIPS = 1000


def draw(name: str,
         x: float = 0.5,
         y: float = 0.5,
         orientation: float = 0.0,
         shape_size: float = 0.9,
         size: int = 64) -> np.ndarray:
    return shape_mask(SHAPES[name], np.array([x, y, orientation, shape_size]), size)


def decode(path: Path) -> np.ndarray:
    reader = decord.VideoReader(str(path), num_threads=1)
    return reader.get_batch(range(len(reader))).asnumpy()


def read_list(path: Path):
    """The clips' paths and labels of an annotation list."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return [path.parent / name for name, _ in lines], np.array([int(label) for _, label in lines])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b)**2)))


def files_below(folder: Path) -> dict:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def ridge_accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Train a linear classifier on the first three quarters, and test it on the rest."""
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    features = np.concatenate([features, np.ones((len(features), 1))], 1)
    split = len(labels) * 3 // 4
    train, targets = features[:split], np.eye(labels.max() + 1)[labels[:split]]
    weights = np.linalg.solve(train.T @ train + 10 * np.eye(train.shape[1]), train.T @ targets)
    return float(np.mean((features[split:] @ weights).argmax(1) == labels[split:]))


@pytest.fixture(scope='module')
def set_of_clips(tmp_path_factory):
    """Decoded frames ``(N, T, H, W, 3)`` and labels of one set."""
    root = tmp_path_factory.mktemp('clips')
    paths, labels = read_list(make_motion_clips(root, 'train', NUM_CLIPS, seed=0))
    return np.stack([decode(path) for path in paths]), labels


# One frame tells nothing.


def test_with_one_random_state_all_classes_start_with_the_same_frame():
    first = [render_motion_clip(label, np.random.default_rng(5))[0] for label in range(8)]
    assert all(np.array_equal(frame, first[0]) for frame in first)


def test_a_class_moves_one_attribute_at_constant_speed_and_no_other():
    for label, (attribute, direction) in enumerate(motion_clips.CLASS_MOTIONS):
        phases = attribute_phases(label, np.random.default_rng(label), 16)
        steps = (np.diff(phases, axis=0) + 0.5) % 1 - 0.5
        others = np.delete(steps, attribute, axis=1)
        assert np.allclose(steps[:, attribute], steps[0, attribute])
        assert SPEEDS[0] <= direction * steps[0, attribute] <= SPEEDS[1]
        assert np.all(others == 0)


@pytest.mark.parametrize('t', [0, 7, 15])
def test_every_attribute_of_a_frame_is_uniform_whatever_the_class(t):
    bins, draws = 10, 2000
    for label in range(len(CLASS_NAMES)):
        phases = np.stack([
            attribute_phases(label, np.random.default_rng([label, i]), 16)[t]
            for i in range(draws)])
        for attribute in range(len(ATTRIBUTES)):
            counts = np.histogram(phases[:, attribute], bins, range=(0, 1))[0]
            expected = draws / bins
            # 9 degrees of freedom: chi-squared exceeds 33.7 once in 10,000 sets.
            assert np.sum((counts - expected)**2 / expected) < 33.7


def test_a_classifier_of_single_decoded_frames_stays_at_chance(set_of_clips):
    frames, labels = set_of_clips
    tested = NUM_CLIPS // 4
    standard_error = np.sqrt(1 / 8 * 7 / 8 / tested)
    for t in (0, 9, 15):
        frame = frames[:, t].astype(float)
        gradients = [np.abs(np.roll(frame, 1, axis) - frame).mean((1, 2)) for axis in (1, 2)]
        small = frame.reshape(-1, 8, 4, 8, 4, 3).mean((2, 4, 5)).reshape(len(frame), -1)
        features = np.concatenate(
            [small, small**2, frame.mean((1, 2)), frame.std((1, 2)), *gradients], axis=1)
        assert abs(ridge_accuracy(features, labels) - 1 / 8) < 3.5 * standard_error


def test_the_change_between_two_frames_tells_the_direction(set_of_clips):
    frames, labels = set_of_clips
    shifts = labels < 4
    grey = frames[shifts].mean(-1)
    before, change = grey[:, 8], grey[:, 9] - grey[:, 8]
    slopes = [np.roll(before, -1, axis) - np.roll(before, 1, axis) for axis in (1, 2)]
    features = np.stack([(change * slope).mean((1, 2)) for slope in slopes], axis=1)
    assert ridge_accuracy(features, labels[shifts]) > 0.85


# What is drawn.


@pytest.mark.parametrize('name', SHAPES)
def test_a_quarter_of_the_orientation_turns_the_shape_clockwise(name):
    mask, turned = draw(name), draw(name, orientation=0.25)
    # The middle of the frame lies between pixels 31 and 32, and so does the middle of the turn.
    assert np.abs(np.rot90(mask, -1) - turned).mean() < 0.002
    assert np.abs(np.rot90(mask, 1) - turned).mean() > 0.02


@pytest.mark.parametrize('name', SHAPES)
def test_no_turn_short_of_a_full_one_brings_a_shape_back(name):
    mask = draw(name)
    for turn in np.arange(1, 12) / 12:
        assert np.abs(mask - draw(name, orientation=turn)).sum() > 0.2 * mask.sum()


def test_places_wrap_around_the_borders():
    moved = draw('flag', x=0.75, y=0.25)
    assert np.array_equal(np.roll(draw('flag'), (-16, 16), axis=(0, 1)), moved)


def test_a_move_by_a_part_of_a_pixel_moves_the_shape_by_as_much():
    def centre(mask):
        return np.array([(mask * np.arange(64)).sum(), (mask.T * np.arange(64)).sum()]) / mask.sum()

    start = centre(draw('drop', orientation=0.1))
    for step in (0.1, 0.25, 0.6):
        moved = centre(draw('drop', 0.5 + step / 64, 0.5 - step / 64, orientation=0.1))
        assert np.allclose(moved - start, [step, -step], atol=0.06)


def test_area_grows_with_the_square_of_the_radius_and_the_largest_shape_fits():
    for name in SHAPES:
        small, large = [draw(name, orientation=0.1, shape_size=s, size=32) for s in (0.0, 0.999)]
        assert np.isclose(large.sum() / small.sum(), (RADII[1] / RADII[0])**2, rtol=0.1)
        border = np.concatenate([large[0], large[-1], large[:, 0], large[:, -1]])
        assert border.max() == 0


def test_the_shape_stands_out_from_every_pixel_of_the_background():
    for i in range(200):
        background, colour = motion_clips._draw_look(np.random.default_rng(i), 32)
        assert np.abs((background - colour) @ motion_clips._LUMA).min() >= 70 - 2.5 * 12 - 1e-9
        assert 0 <= background.min() and background.max() <= 255


# The files.


def test_decord_decodes_every_frame_with_small_loss(set_of_clips):
    frames, labels = set_of_clips
    assert frames.shape == (NUM_CLIPS, 16, 32, 32, 3)
    luma = motion_clips._LUMA
    for index in range(0, 64):
        seeds = np.random.SeedSequence(0, spawn_key=(zlib.crc32(b'train'), index))
        drawn = render_motion_clip(labels[index], np.random.default_rng(seeds))
        assert psnr(frames[index], drawn) > 27
        assert psnr(frames[index] @ luma, drawn @ luma) > 35


@pytest.mark.parametrize('size', [40, 64, 112])
def test_other_sizes_are_decoded_as_well(tmp_path, size):
    paths, _ = read_list(make_motion_clips(tmp_path, 'val', 2, seed=0, num_frames=5, size=size))
    assert decode(paths[1]).shape == (5, size, size, 3)


def test_the_list_names_existing_files_with_balanced_labels(tmp_path):
    path = make_motion_clips(tmp_path, 'val', 20, seed=0, num_frames=4)
    assert path.read_text().splitlines()[9] == 'clips/000009.mp4 1'
    paths, labels = read_list(path)
    assert all(clip.is_file() for clip in paths)
    assert np.bincount(labels).tolist() == [3, 3, 3, 3, 2, 2, 2, 2]


def test_a_set_made_twice_with_one_seed_is_the_same_to_the_byte(tmp_path):
    one = make_motion_clips(tmp_path / 'one', 'train', 16, seed=7)
    two = make_motion_clips(tmp_path / 'two', 'train', 16, seed=7)
    assert files_below(one.parent) == files_below(two.parent)


@pytest.mark.parametrize('other', [dict(seed=8), dict(split='val')])
def test_another_seed_or_split_gives_other_clips(tmp_path, other):
    parameters = dict(split='train', num_clips=8, seed=7)
    one, _ = read_list(make_motion_clips(tmp_path, **parameters))
    two, _ = read_list(make_motion_clips(tmp_path, **{**parameters, **other}))
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(one, two))


def test_a_larger_set_begins_with_the_clips_of_a_smaller_one(tmp_path):
    small, _ = read_list(make_motion_clips(tmp_path, 'train', 8, seed=7))
    large, _ = read_list(make_motion_clips(tmp_path, 'train', 12, seed=7))
    assert [p.read_bytes() for p in small] == [p.read_bytes() for p in large[:8]]


# Made once, whole or not at all.


def test_a_finished_set_is_not_written_again(tmp_path, monkeypatch):
    path = make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2)
    monkeypatch.setattr(motion_clips, '_write_set', lambda *_: pytest.fail('written again'))
    assert make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2) == path


@pytest.mark.parametrize(
    'other', [dict(num_clips=9), dict(num_frames=3), dict(size=40), dict(seed=1)])
def test_other_parameters_never_reuse_a_set(tmp_path, other):
    parameters = dict(split='train', num_clips=8, seed=0, num_frames=2, size=32)
    one = make_motion_clips(tmp_path, **parameters)
    two = make_motion_clips(tmp_path, **{**parameters, **other})
    assert one.parent != two.parent and one.is_file() and two.is_file()


def test_a_damaged_set_is_made_again(tmp_path):
    path = make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2)
    whole = files_below(path.parent)
    (path.parent / 'clips' / '000003.mp4').unlink()
    assert make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2) == path
    assert files_below(path.parent) == whole


def test_a_manifest_of_other_parameters_is_not_believed(tmp_path):
    path = make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2)
    whole = files_below(path.parent)
    manifest = json.loads((path.parent / 'manifest.json').read_text())
    (path.parent / 'manifest.json').write_text(json.dumps({**manifest, 'seed': 5}))
    make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2)
    assert files_below(path.parent) == whole


def test_an_interrupted_making_leaves_nothing_behind(tmp_path, monkeypatch):
    write = motion_clips.write_mp4

    def write_four(path, frames, fps):
        if path.name == '000004.mp4':
            raise KeyboardInterrupt
        write(path, frames, fps)

    monkeypatch.setattr(motion_clips, 'write_mp4', write_four)
    with pytest.raises(KeyboardInterrupt):
        make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2)
    assert list(tmp_path.iterdir()) == []


def test_processes_that_make_one_set_at_once_both_get_it_whole(tmp_path):
    context = multiprocessing.get_context('spawn')
    with context.Pool(2) as pool:
        paths = pool.starmap(make_motion_clips, [(tmp_path, 'train', 40, 0)] * 4)
    assert len(set(paths)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [paths[0].parent.name]
    clips, _ = read_list(paths[0])
    assert decode(clips[39]).shape == (16, 32, 32, 3)


def test_a_set_finished_by_another_process_in_the_meantime_is_kept(tmp_path, monkeypatch):
    write = motion_clips._write_set
    first = []

    def write_after_another(folder, manifest):
        monkeypatch.setattr(motion_clips, '_write_set', write)
        first.append(make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2).stat().st_ino)
        write(folder, manifest)

    monkeypatch.setattr(motion_clips, '_write_set', write_after_another)
    path = make_motion_clips(tmp_path, 'train', 8, seed=0, num_frames=2)
    assert path.stat().st_ino == first[0]
    assert len(list(tmp_path.iterdir())) == 1


# Wrong arguments.


@pytest.mark.parametrize('size', [16, 24, 33, 48, 72])
def test_a_size_that_cannot_be_decoded_is_refused_with_good_ones(tmp_path, size):
    with pytest.raises(ValueError, match=f'size={size}.*e.g. 32, 40'):
        make_motion_clips(tmp_path, 'train', 8, seed=0, size=size)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('wrong, words', [
    (dict(num_frames=1), 'num_frames=1 shows no motion: use 2 or more'),
    (dict(num_clips=0), 'num_clips=0'),
    (dict(seed=-1), 'seed=-1'),
    (dict(split='../train'), "split='../train' cannot name a folder"),
])
def test_a_wrong_argument_is_named_with_its_bound(tmp_path, wrong, words):
    with pytest.raises(ValueError, match=words):
        make_motion_clips(**{**dict(root=tmp_path, split='train', num_clips=8, seed=0), **wrong})


def test_an_unknown_label_is_refused_with_the_classes():
    with pytest.raises(ValueError, match='label 8 is not within 0..7 .shift_left'):
        render_motion_clip(8, np.random.default_rng(0))
