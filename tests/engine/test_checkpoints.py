"""Weights are loaded all, or none with the reason."""
from pathlib import Path

import pytest
import torch

from cbm_plugin.engine.checkpoints import MAX_NAMED, compare, load_exactly

from ..tiny import tiny_recognizer, weights
from ..tiny_run import tiny_config, train


def saved(folder: Path, weights: dict, name: str = 'model.pth', **meta: str) -> Path:
    torch.save(dict(meta=meta, state_dict=weights), folder / name)
    return folder / name


def test_what_fits_is_loaded_with_or_without_a_wrappers_prefix(tmp_path: Path) -> None:
    source = tiny_recognizer(seed=1)
    wrapped = {f'module.{key}': value for key, value in source.state_dict().items()}
    for checkpoint in (saved(tmp_path, source.state_dict()), saved(tmp_path, wrapped, 'ddp.pth')):
        model = tiny_recognizer(seed=2)
        load_exactly(model, checkpoint)
        for ours, theirs in zip(weights(model), weights(source)):
            assert torch.equal(ours, theirs)


def test_a_checkpoint_that_does_not_fit_changes_nothing_and_names_what_differs(
        tmp_path: Path) -> None:
    given = tiny_recognizer(seed=1).state_dict()
    given.pop('cls_head.fc_cls.bias')
    given['neck.extra'] = torch.zeros(1)
    given['cls_head.fc_cls.weight'] = torch.zeros(5, 4)
    model = tiny_recognizer(seed=2)
    before = weights(model)
    with pytest.raises(ValueError) as refused:
        load_exactly(model, saved(tmp_path, given), 'a.py')
    message = str(refused.value)
    assert 'does not fit a.py' in message
    assert '1 keys missing in the file: cls_head.fc_cls.bias' in message
    assert '1 keys not in the model: neck.extra' in message
    assert '1 keys of another shape: cls_head.fc_cls.weight (5, 4), the model (3, 4)' in message
    assert message.endswith('use the config it was trained with')
    assert all(torch.equal(ours, old) for ours, old in zip(weights(model), before))


def test_many_keys_are_counted_and_a_few_named() -> None:
    differences = compare({f'key{k}': torch.zeros(1) for k in range(9)}, {})
    assert str(differences) == \
        f'9 keys missing in the file: key0, key1, key2 and {9 - MAX_NAMED} more'
    assert not any(compare({'a': torch.zeros(2)}, {'a': torch.ones(2)}))


def test_the_copy_of_the_config_beside_a_runs_checkpoint_is_named(tmp_path: Path) -> None:
    train(tiny_config(tmp_path, **{'train_cfg.max_epochs': 1}))
    checkpoint = next((tmp_path / 'run').glob('*.pth'))
    copy, = (tmp_path / 'run').glob('*.py')
    with pytest.raises(ValueError, match=f'likely written with {copy}'):
        load_exactly(tiny_recognizer(), checkpoint, 'other.py')


def test_alone_a_checkpoint_names_the_config_of_its_run(tmp_path: Path) -> None:
    (tmp_path / 'weights').mkdir()
    (tmp_path / 'configs').mkdir()
    checkpoint = saved(tmp_path / 'weights', {}, experiment_name='deep_20260102_030405')
    config = tmp_path / 'configs/shallow.py'
    with pytest.raises(ValueError, match='likely written with a config named deep$'):
        load_exactly(tiny_recognizer(), checkpoint, str(config))
    (tmp_path / 'configs/deep.py').write_text('')
    with pytest.raises(ValueError, match=f'likely written with {tmp_path}/configs/deep.py'):
        load_exactly(tiny_recognizer(), checkpoint, str(config))


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='there is no checkpoint .*none.pth'):
        load_exactly(tiny_recognizer(), tmp_path / 'none.pth')
    (tmp_path / 'text.pth').write_text('no weights')
    with pytest.raises(ValueError, match='text.pth cannot be read as a checkpoint'):
        load_exactly(tiny_recognizer(), tmp_path / 'text.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='list.pth (holds a list, not|cannot be read as) a check'):
        load_exactly(tiny_recognizer(), tmp_path / 'list.pth')


def test_a_config_of_another_name_is_not_advised_twice(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, {}, experiment_name='same_20260102_030405')
    with pytest.raises(ValueError, match='use the config it was trained with'):
        load_exactly(tiny_recognizer(), checkpoint, str(tmp_path / 'same.py'))
