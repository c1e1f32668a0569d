"""Upstream faults are absorbed where present; crafted checkpoints stay refused."""
import subprocess
import sys
import textwrap
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.runner import load_checkpoint, save_checkpoint
from torch import nn

import cbm_plugin
from cbm_plugin import compat

ROOT = Path(__file__).resolve().parents[1]

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Block())
"""


def python(code, *blocked):
    """Run code in a fresh interpreter that cannot find some packages; returns what it prints."""
    code = BLOCK.format(blocked=blocked) + textwrap.dedent(code)
    run = subprocess.run([sys.executable, '-c', code], cwd=ROOT, text=True, capture_output=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


class Reduced:
    """Is pickled as a call, as crafted files do."""

    def __init__(self, *reduction):
        self.reduction = reduction

    def __reduce__(self):
        return self.reduction


def crafted(path, *reduction):
    torch.save({'state_dict': {}, 'message_hub': Reduced(*reduction)}, path)
    return path


# -- importing


def test_mmaction_models_import_after_the_plugin():
    assert python('import cbm_plugin, mmaction.models; print("imported")') == 'imported'


def test_the_missing_localizer_says_on_building_where_it_belongs():
    printed = python("""
        import cbm_plugin, mmaction.models
        from mmaction.registry import MODELS
        try:
            MODELS.build(dict(type='DRN'))
        except ImportError as error:
            print(error)
    """)
    assert 'mmaction2#2714' in printed and 'localizers/drn' in printed


def test_a_localizer_that_is_there_is_not_replaced(tmp_path):
    localizers = tmp_path / 'mmaction' / 'models' / 'localizers'
    (localizers / 'drn').mkdir(parents=True)
    (tmp_path / 'mmaction' / '__init__.py').touch()
    (localizers / '__init__.py').write_text('from .drn.drn import DRN\n')
    (localizers / 'drn' / 'drn.py').write_text('DRN = "the real one"\n')
    assert python(f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import cbm_plugin
        from mmaction.models.localizers import DRN
        print(DRN)
    """) == 'the real one'


def test_mmaction_models_import_without_importlib_metadata():
    assert python("""
        import cbm_plugin, mmaction.models
        import importlib.metadata, importlib_metadata
        print(importlib_metadata is importlib.metadata)
    """, 'importlib_metadata') == 'True'


def test_an_installed_importlib_metadata_is_not_replaced(tmp_path):
    (tmp_path / 'importlib_metadata.py').write_text('own = True\n')
    assert python(f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import cbm_plugin, importlib_metadata
        print(importlib_metadata.own)
    """) == 'True'


@pytest.mark.parametrize('missing', [['mmengine', 'mmcv', 'mmaction'], ['torch'], ['numpy']])
def test_the_plugin_imports_where_packages_are_missing(missing):
    assert python('import cbm_plugin; print(cbm_plugin.__version__)',
                  *missing) == cbm_plugin.__version__


def test_the_layers_need_nothing_of_openmmlab():
    assert python('import cbm_plugin.layers; print("imported")',
                  'mmengine', 'mmcv', 'mmaction', 'mmdet') == 'imported'


def test_a_package_that_breaks_on_import_is_recorded_with_its_reason(tmp_path):
    (tmp_path / 'mmengine' / 'runner').mkdir(parents=True)
    (tmp_path / 'mmengine' / 'runner' / 'checkpoint.py').touch()
    (tmp_path / 'mmengine' / '__init__.py').write_text('raise OSError("libbroken.so")\n')
    printed = python(f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import cbm_plugin
        print(cbm_plugin.compat.absorb()[-1])
    """)
    assert 'OSError: libbroken.so' in printed and 'absorbed=False' in printed


def test_absorbing_again_changes_nothing_and_tells_the_same():
    before = {str(entry) for entry in torch.serialization.get_safe_globals()}
    assert compat.absorb() == compat.absorb()
    assert {str(entry) for entry in torch.serialization.get_safe_globals()} == before


# -- checkpoints


def test_what_mmengine_saves_loads_again_with_history_and_numpy_scalars(tmp_path):
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


def test_without_the_plugin_torch_refuses_what_mmengine_saves(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save({'loss': HistoryBuffer([1.0], [1])}, path)
    assert python(f"""
        import torch, pickle, mmengine
        try:
            torch.load({str(path)!r})
        except pickle.UnpicklingError:
            print('refused')
        import cbm_plugin
        print(torch.load({str(path)!r})['loss'].current())
    """).split() == ['refused', '1.0']


@pytest.mark.parametrize('name', compat.HISTORY_STATISTICS)
def test_a_statistic_of_the_history_loads_as_the_method_itself(tmp_path, name):
    path = crafted(tmp_path / 'old.pth', getattr, (HistoryBuffer, name))
    assert torch.load(path)['message_hub'] is getattr(HistoryBuffer, name)


def test_a_one_cycle_schedule_loads_with_its_curve(tmp_path):
    def schedule():
        optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=.1)
        return OneCycleParamScheduler(optimizer, 'lr', eta_max=1., total_steps=10)
    torch.save(schedule().state_dict(), tmp_path / 'schedule.pth')
    state = torch.load(tmp_path / 'schedule.pth')
    assert state['anneal_func'] is OneCycleParamScheduler._annealing_cos
    schedule().load_state_dict(state)


@pytest.mark.parametrize(('owner', 'name'), [
    (HistoryBuffer, '__init__'), (HistoryBuffer, '__dict__'), (HistoryBuffer, '_annealing_cos'),
    (HistoryBuffer.mean, '__globals__'), (np.ndarray, 'tofile'), (torch.Tensor, '__reduce_ex__'),
    (HistoryBuffer([1.0], [1]), 'mean'), (OneCycleParamScheduler, '__init__'),
    (OneCycleParamScheduler, 'mean'), (OneCycleParamScheduler._annealing_cos, '__globals__'),
])
def test_any_other_attribute_is_refused(tmp_path, owner, name):
    with pytest.raises(UnpicklingError, match='do not trust the file'):
        torch.load(crafted(tmp_path / 'crafted.pth', getattr, (owner, name)))


def test_a_file_that_would_rewrite_a_module_is_refused_and_rewrites_nothing(tmp_path):
    import mmengine.logging.history_buffer as module
    globals_of_module = Reduced(getattr, (HistoryBuffer.mean, '__globals__'), None, None,
                                iter([('np', 'rewritten')]))
    torch.save({'message_hub': globals_of_module}, tmp_path / 'crafted.pth')
    with pytest.raises(UnpicklingError):
        torch.load(tmp_path / 'crafted.pth')
    assert module.np is np


@pytest.mark.parametrize('function', ['os.system', 'subprocess.call', 'builtins.eval'])
def test_a_file_that_would_run_something_is_refused_and_runs_nothing(tmp_path, function):
    module, name = function.split('.')
    ran = tmp_path / 'ran'
    order = {'os': f'touch {ran}', 'subprocess': ['touch', str(ran)],
             'builtins': f'open({str(ran)!r}, "w")'}[module]
    path = crafted(tmp_path / 'crafted.pth', getattr(sys.modules[module], name), (order,))
    with pytest.raises(UnpicklingError):
        torch.load(path)
    with pytest.raises(UnpicklingError):
        load_checkpoint(nn.Linear(1, 1), str(path))
    assert not ran.exists()


def test_a_file_that_reaches_a_command_through_getattr_is_refused(tmp_path):
    import os
    with pytest.raises(UnpicklingError):
        module = Reduced(__import__, ('os',))
        torch.load(crafted(tmp_path / 'crafted.pth', getattr, (module, 'system')))
    with pytest.raises(UnpicklingError, match='do not trust the file'):
        compat.restricted_getattr(os, 'system')
