"""The embedded default as a data set."""
from pathlib import Path
from typing import List

import numpy as np
import pytest
from mmaction.datasets.transforms import CenterCrop, Flip, Resize
from mmengine.config import Config
from mmengine.registry import DefaultScope

from cbm_plugin.engine.seeding import SampleIndex
from cbm_plugin.prediction.data.moving_mnist import MovingMNIST
from cbm_plugin.prediction.data.moving_shapes import MovingShapes
from cbm_plugin.prediction.data.pack import PackFrames
from cbm_plugin.registry import DATASETS

CONFIGS = Path(__file__).parents[3] / 'configs/_base_/datasets'


def dataset(split: str = 'val', **options: object) -> MovingShapes:
    return MovingShapes(split, **{**dict(num_sequences=4, num_inputs=2, num_outputs=3, size=32,
                                         pipeline=[PackFrames()]), **options})


def frames(made: MovingShapes, index: int) -> np.ndarray:
    return made[index]['inputs'].numpy()


@pytest.mark.parametrize('colour, channels', [(False, 1), (True, 3)])
def test_a_sequence_has_the_frames_and_channels_asked_for(colour: bool, channels: int) -> None:
    made = dataset(colour=colour)
    assert frames(made, 0).shape == (5, channels, 32, 32)
    assert made.frame_shape == (32, 32, channels)
    sample = made[1]['data_samples']
    assert (sample.num_inputs, sample.num_outputs, sample.name) == (2, 3, 'val 1')


def test_splits_seeds_and_numbers_have_sequences_of_their_own() -> None:
    drawn = [frames(made, index) for made in (dataset(), dataset('test'), dataset(seed=1))
             for index in range(4)]
    assert len({sequence.tobytes() for sequence in drawn}) == 12


def test_training_draws_anew_in_every_epoch_and_validation_never() -> None:
    for split, changes in (('train', True), ('val', False)):
        made = dataset(split)
        first, second = (frames(made, SampleIndex(0, 1, epoch)) for epoch in (0, 1))
        assert (first != second).any() == changes


@pytest.mark.parametrize('colour', [False, True])
def test_transforms_of_mmaction2_change_all_frames_alike(colour: bool) -> None:
    plain = frames(dataset(colour=colour), 0)
    steps = [Resize((32, 32), keep_ratio=False), Flip(1.0), CenterCrop(20), PackFrames()]
    found = frames(dataset(colour=colour, pipeline=steps), 0)
    assert (found == plain[..., 6:26, 6:26][..., ::-1]).all()


def test_a_transform_in_place_leaves_frames_that_a_data_set_keeps_as_they_were() -> None:
    class Cached(MovingShapes):
        kept = [np.arange(16, dtype=np.uint8).reshape(4, 4, 1) for _ in range(5)]

        def read_frames(self, info: dict) -> List[np.ndarray]:
            return self.kept

    made = Cached('val', 1, num_inputs=2, num_outputs=3, pipeline=[Flip(1.0), PackFrames()])
    first, second = frames(made, 0), frames(made, 0)
    assert (first == second).all() and first[0, 0, 0].tolist() == [3, 2, 1, 0]


def test_a_wrong_option_is_refused_when_the_data_set_is_made() -> None:
    with pytest.raises(ValueError, match='size=8'):
        dataset(size=8)


# --- the configs of the generated data sets


@pytest.mark.parametrize('split, number', [('train', 8000), ('val', 200), ('test', 1000)])
def test_the_config_of_moving_shapes_builds_its_splits(split: str, number: int) -> None:
    loader = Config.fromfile(CONFIGS / 'moving_shapes.py')[f'{split}_dataloader']
    with DefaultScope.overwrite_default_scope('mmaction'):
        made = DATASETS.build(loader.dataset)
    assert (made.split, len(made), made.test_mode) == (split, number, split != 'train')
    assert made[0]['inputs'].shape == (20, 1, 64, 64)


def test_the_config_of_moving_mnist_validates_on_digits_held_out_of_training(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DATA_ROOT', 'elsewhere')
    cfg = Config.fromfile(CONFIGS / 'moving_mnist.py')
    made = {}
    for split in ('train', 'val', 'test'):
        options = dict(cfg[f'{split}_dataloader'].dataset, lazy_init=True, pipeline=[])
        options.pop('type')
        made[split] = MovingMNIST(**options)
    assert made['train'].images == made['val'].images == 'elsewhere/train-images-idx3-ubyte.gz'
    assert made['test'].images == 'elsewhere/t10k-images-idx3-ubyte.gz'
    assert made['train'].num_held_out == made['val'].num_held_out == 5000
    assert [made[split].num_sequences for split in made] == [10_000, 256, 10_000]
