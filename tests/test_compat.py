"""Upstream faults are absorbed where present."""
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer

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
