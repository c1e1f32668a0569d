"""Mistakes of the user are told in one line; everything else keeps its traceback."""
import cbm_plugin  # noqa: F401  (absorbs upstream faults)

# isort: split
import pytest
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from cbm_plugin.engine.user_errors import explain_user_errors, load_config


@pytest.fixture(autouse=True)
def registered():
    """Two models: one takes an option, the other hands its options on."""

    class WindowedNeck(nn.Module):

        def __init__(self, window: int = 1, inner: dict = None) -> None:
            super().__init__()
            if inner:
                self.inner = MODELS.build(inner)

    class WiderNeck(WindowedNeck):

        def __init__(self, **options) -> None:
            super().__init__(**options)

    for cls in (WindowedNeck, WiderNeck):
        MODELS.register_module(module=cls, force=True)
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield
    for cls in (WindowedNeck, WiderNeck):
        del MODELS.module_dict[cls.__name__]


def message(capsys: pytest.CaptureFixture, model: dict) -> str:
    cfg = Config(dict(model=model))
    with pytest.raises(SystemExit, match='2'), explain_user_errors(cfg):
        MODELS.build(cfg.model)
    text = capsys.readouterr().err
    assert text.count('\n') == 1
    return text


def test_an_unknown_type_is_named_with_its_place_and_a_near_name(capsys):
    text = message(capsys, dict(type='WindowedNeck', inner=dict(type='windowdNeck')))
    assert text.startswith("error: model.inner.type = 'windowdNeck' is not in the registry 'model'")
    assert 'did you mean WindowedNeck' in text and 'custom_imports' in text


def test_a_type_of_another_scope_is_answered_with_the_scope(capsys):
    with DefaultScope.overwrite_default_scope('mmengine'):
        text = message(capsys, dict(type='WindowedNeck'))
    assert "it is in that of mmaction, set default_scope = 'mmaction'" in text


def test_an_unknown_option_is_named_with_its_place_and_a_near_name(capsys):
    text = message(capsys, dict(type='WindowedNeck', inner=dict(type='WindowedNeck', widow=3)))
    assert text == ("error: model.inner.widow: WindowedNeck has no option 'widow': "
                    'did you mean window?\n')


def test_an_option_that_resembles_none_is_answered_with_all_that_there_are(capsys):
    text = message(capsys, dict(type='WindowedNeck', xyz=3))
    assert 'it takes window, inner' in text


def test_an_option_handed_on_to_a_base_is_found_under_the_type_in_the_config(capsys):
    text = message(capsys, dict(type='WiderNeck', widow=3))
    assert 'model.widow: WiderNeck has no option' in text


def test_an_unknown_optimizer_is_named_with_a_near_name(capsys):
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SDG', lr=0.1))))
    with pytest.raises(SystemExit, match='2'), explain_user_errors(cfg):
        build_optim_wrapper(nn.Linear(1, 1), cfg.optim_wrapper)
    assert capsys.readouterr().err == (
        "error: optim_wrapper.optimizer.type = 'SDG' is not a registered optimizer: "
        'did you mean SGD?\n')


def test_an_unknown_type_that_no_config_names_is_a_bug_and_keeps_its_traceback():
    with pytest.raises(KeyError, match='Nowhere is not in'), explain_user_errors(Config(dict())):
        MODELS.build(dict(type='Nowhere'))


@pytest.mark.parametrize('bug', [
    KeyError(), KeyError('clip'), TypeError('f() takes 1 positional argument but 2 were given'),
    TypeError("Other.__init__() got an unexpected keyword argument 'window'"), ValueError('no'),
])
def test_other_errors_pass_unchanged(bug):
    cfg = Config(dict(model=dict(type='WindowedNeck', window=1)))
    with pytest.raises(type(bug)) as raised, explain_user_errors(cfg):
        raise bug
    assert raised.value is bug


def test_a_missing_config_is_answered_with_near_names(tmp_path, capsys):
    (tmp_path / 'cbm15.py').touch()
    with pytest.raises(SystemExit, match='2'):
        load_config(tmp_path / 'cbm51.py')
    assert 'did you mean cbm15.py?' in capsys.readouterr().err


def test_a_config_in_a_missing_folder_is_answered_with_where_it_was_looked_for(tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        load_config(tmp_path / 'nowhere' / 'cbm.py')
    assert f'there is no folder {tmp_path}/nowhere seen from' in capsys.readouterr().err


def test_a_missing_base_is_named(tmp_path, capsys):
    (tmp_path / 'cbm.py').write_text("_base_ = 'basis.py'")
    with pytest.raises(SystemExit, match='2'):
        load_config(tmp_path / 'cbm.py')
    text = capsys.readouterr().err
    assert text.startswith(f'error: {tmp_path}/cbm.py: ') and 'basis.py' in text


def test_an_error_inside_a_config_keeps_its_traceback(tmp_path):
    (tmp_path / 'cbm.py').write_text('a = 1 / 0')
    with pytest.raises(ZeroDivisionError):
        load_config(tmp_path / 'cbm.py')
