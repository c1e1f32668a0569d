"""What MMEngine and we write is read; a file that asks for more than data is refused."""
import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any, Callable

import mmengine
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner import load_checkpoint, save_checkpoint
from torch import nn

import cbm_plugin  # noqa: F401  (makes MMEngine safe)
from cbm_plugin import safe_loading
from cbm_plugin.overlap.plan import Clip, ClipPlan
from cbm_plugin.safe_loading import (
    HISTORY_STATISTICS,
    RefusedFileError,
    load,
    load_without_safe_mode,
    restricted_getattr,
)

READERS = [load, load_without_safe_mode, torch.load]
"""All that read checkpoints: on torch since 2.6, before, and by its own default."""


class Reduced:
    """Is pickled as a call, as crafted files do."""

    def __init__(self, *reduction: Any) -> None:
        self.reduction = reduction

    def __reduce__(self) -> tuple:
        return self.reduction


def crafted(folder: Path, *reduction: Any) -> Path:
    torch.save({'state_dict': {}, 'message_hub': Reduced(*reduction)}, folder / 'crafted.pth')
    return folder / 'crafted.pth'


# -- what is read


def test_what_mmengine_saves_loads_again_with_history_and_numpy_scalars(tmp_path: Path) -> None:
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    model = nn.Linear(2, 3)
    path = str(tmp_path / 'epoch_1.pth')
    save_checkpoint({'state_dict': model.state_dict(),
                     'message_hub': {'loss': history, 'best': np.float64(.5),
                                     'epoch': np.int64(7)}}, path)
    other = nn.Linear(2, 3)
    loaded = load_checkpoint(other, path)['message_hub']
    assert torch.equal(model.weight, other.weight)
    assert loaded.pop('loss').mean() == 1.5
    assert loaded == {'best': .5, 'epoch': 7}


@pytest.mark.parametrize('new', [True, False], ids=['zip', 'before zip'])
@pytest.mark.parametrize('read', READERS)
def test_every_reader_reads_all_that_a_checkpoint_holds(read: Callable, new: bool,
                                                        tmp_path: Path) -> None:
    weights = dict(plain=torch.arange(6.).reshape(2, 3).t(), half=torch.ones(2).bfloat16(),
                   parameter=nn.Parameter(torch.ones(1)), flags=torch.tensor([True, False]))
    torch.save(dict(state_dict=weights, loss=HistoryBuffer([1.0, 3.0], [1, 1]),
                    best=np.float64(.5), epoch=np.int64(7), array=np.arange(3, dtype=np.int64),
                    meta=dict(text='é', shape=torch.Size([2]))),
               tmp_path / 'epoch_1.pth', _use_new_zipfile_serialization=new)
    loaded = read(tmp_path / 'epoch_1.pth')
    assert all(torch.equal(value, weights[key]) for key, value in loaded['state_dict'].items())
    assert loaded['loss'].mean() == 2 and loaded['array'].tolist() == [0, 1, 2]
    assert (loaded['best'], loaded['epoch']) == (.5, 7)
    assert loaded['meta'] == dict(text='é', shape=torch.Size([2]))


@pytest.mark.parametrize('read', READERS)
@pytest.mark.parametrize('name', HISTORY_STATISTICS)
def test_a_statistic_of_the_history_loads_as_the_method_itself(name: str, read: Callable,
                                                               tmp_path: Path) -> None:
    path = crafted(tmp_path, getattr, (HistoryBuffer, name))
    assert read(path)['message_hub'] is getattr(HistoryBuffer, name)


@pytest.mark.parametrize('read', READERS)
def test_a_one_cycle_schedule_loads_with_its_curve(read: Callable, tmp_path: Path) -> None:
    def schedule() -> OneCycleParamScheduler:
        optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=.1)
        return OneCycleParamScheduler(optimizer, 'lr', eta_max=1., total_steps=10)
    torch.save(schedule().state_dict(), tmp_path / 'schedule.pth')
    state = read(tmp_path / 'schedule.pth')
    assert state['anneal_func'] is OneCycleParamScheduler._annealing_cos
    schedule().load_state_dict(state)


def test_annotations_and_predictions_that_mmengine_dumps_load_again(tmp_path: Path) -> None:
    written = [dict(frame_dir='a', label=3, keypoint=np.ones((1, 2), np.float16), keys={1, 2},
                    score=np.float32(.5), raw=b'\xff', z=1j, pred_score=torch.ones(2, 2))]
    for protocol in (2, 4):
        mmengine.dump(written, tmp_path / 'dumped.pkl', protocol=protocol)
        read, = mmengine.load(tmp_path / 'dumped.pkl')
        assert np.array_equal(read.pop('keypoint'), written[0]['keypoint'])
        assert torch.equal(read.pop('pred_score'), torch.ones(2, 2))
        assert read == {key: written[0][key] for key in read} and len(read) == 6


def test_a_clip_plan_in_a_dumped_prediction_loads_again(tmp_path: Path) -> None:
    plan = ClipPlan(9, (Clip(0, 4), Clip(2, 9)))
    mmengine.dump([dict(clip_plan=plan)], tmp_path / 'dumped.pkl')
    assert mmengine.load(tmp_path / 'dumped.pkl') == [dict(clip_plan=plan)]


def test_yaml_without_tags_of_python_loads_as_before(tmp_path: Path) -> None:
    (tmp_path / 'a.yml').write_text('videos: [{name: a, label: 3}]\nrate: 1.5\n')
    assert mmengine.load(tmp_path / 'a.yml') == dict(videos=[dict(name='a', label=3)], rate=1.5)


def test_a_download_is_kept_and_read_from_the_folder_the_next_time(tmp_path: Path) -> None:
    torch.save(dict(epoch=3), tmp_path / 'model.pth')
    url = (tmp_path / 'model.pth').as_uri()
    for _ in range(2):
        loaded = safe_loading.load_url(url, str(tmp_path / 'kept'), progress=False)
        assert loaded == dict(epoch=3) and (tmp_path / 'kept/model.pth').is_file()
        (tmp_path / 'model.pth').unlink(missing_ok=True)


# -- what is refused


@pytest.mark.parametrize('read', READERS)
@pytest.mark.parametrize(('owner', 'name'), [
    (HistoryBuffer, '__init__'), (HistoryBuffer, '__dict__'), (HistoryBuffer, '_annealing_cos'),
    (HistoryBuffer.mean, '__globals__'), (np.ndarray, 'tofile'), (torch.Tensor, '__reduce_ex__'),
    (HistoryBuffer([1.0], [1]), 'mean'), (OneCycleParamScheduler, '__init__'),
    (OneCycleParamScheduler, 'mean'), (OneCycleParamScheduler._annealing_cos, '__globals__'),
])
def test_any_other_attribute_is_refused(owner: Any, name: str, read: Callable,
                                        tmp_path: Path) -> None:
    with pytest.raises(pickle.UnpicklingError, match='asks for .*attribute'):
        read(crafted(tmp_path, getattr, (owner, name)))


@pytest.mark.parametrize('read', READERS)
def test_a_file_that_would_rewrite_a_module_is_refused_and_rewrites_nothing(
        read: Callable, tmp_path: Path) -> None:
    import mmengine.logging.history_buffer as module
    globals_of_module = Reduced(getattr, (HistoryBuffer.mean, '__globals__'), None, None,
                                iter([('np', 'rewritten')]))
    torch.save({'message_hub': globals_of_module}, tmp_path / 'crafted.pth')
    with pytest.raises(pickle.UnpicklingError):
        read(tmp_path / 'crafted.pth')
    assert module.np is np


@pytest.mark.parametrize('read', READERS)
@pytest.mark.parametrize('state', [{'mean': 1}, (None, {'mean': 1})], ids=['state', 'slots'])
def test_a_file_that_would_rewrite_an_allowed_class_is_refused_and_rewrites_nothing(
        state: Any, read: Callable, tmp_path: Path) -> None:
    before = HistoryBuffer.mean

    class Rewritten:
        """Is pickled as the class itself, with a state to be set on it."""

    def save_class(pickler: Any, _: Any) -> None:
        pickler.save(HistoryBuffer)
        pickler.save(state)
        pickler.write(pickle.BUILD)

    class Pickler(pickle._Pickler):
        dispatch = {**pickle._Pickler.dispatch, Rewritten: save_class}

    torch.save({'x': Rewritten()}, tmp_path / 'crafted.pth', pickle_module=_module_of(Pickler))
    with pytest.raises(pickle.UnpicklingError):
        read(tmp_path / 'crafted.pth')
    assert HistoryBuffer.mean is before


def _module_of(pickler: type) -> Any:
    from types import SimpleNamespace

    def dump(value: Any, file: Any, protocol: int) -> None:
        pickler(file, protocol).dump(value)
    return SimpleNamespace(__name__='pickle', Pickler=pickler, dump=dump)


def test_a_file_that_reaches_a_command_through_getattr_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedFileError, match='crafted.pth is refused: it asks for '
                       r'\S*__import__'):
        load(crafted(tmp_path, getattr, (Reduced(__import__, ('os',)), 'system')))
    with pytest.raises(pickle.UnpicklingError, match='do not trust the file'):
        restricted_getattr(os, 'system')


def test_a_version_of_mmengine_that_asks_for_unsafe_loading_does_not_get_it(
        tmp_path: Path) -> None:
    path = crafted(tmp_path, os.system, (f'touch {tmp_path / "ran"}',))
    with pytest.raises(RefusedFileError, match=f'asks for {os.system.__module__}.system'):
        mmengine_checkpoint.torch.load(str(path), map_location='cpu', weights_only=False)
    assert not (tmp_path / 'ran').exists()


def test_a_tar_archive_is_not_unpacked_for_an_old_torch(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / 'old.pth', 'w') as archive:
        for name in ('storages', 'tensors', 'pickle'):
            content = pickle.dumps(0)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with pytest.raises(RefusedFileError, match='old.pth is a tar archive'):
        load_without_safe_mode(tmp_path / 'old.pth')


def test_a_damaged_file_is_no_accusation(tmp_path: Path) -> None:
    (tmp_path / 'text.pth').write_text('no weights')
    with pytest.raises(RefusedFileError, match=r'text\.pth cannot be read as a checkpoint: '):
        load(tmp_path / 'text.pth')
