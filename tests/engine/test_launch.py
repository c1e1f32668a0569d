"""What is told of a process group before and after it breaks; tests/faults breaks real ones."""
import gc
from pathlib import Path
from typing import Any, Iterator

import pytest
import torch.distributed as dist
from mmengine.config import Config

from cbm_plugin.engine.launch import explain_lost_process, init_cpu_process_group


def config(timeout: Any) -> Config:
    return Config(dict(env_cfg=dict(dist_cfg=dict(timeout=timeout))))


@pytest.fixture
def group_of_one(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/rendezvous', rank=0,
                            world_size=1)
    yield
    gc.collect()
    dist.destroy_process_group()


@pytest.mark.parametrize('timeout', [0, -1, 'half an hour'])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(
        timeout: Any, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match='2'):
        init_cpu_process_group('none', config(timeout))
    assert 'env_cfg.dist_cfg.timeout = ' in capsys.readouterr().err


def test_a_lost_process_is_told_with_the_bound_and_the_way_on(
        group_of_one: None, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match='1'), explain_lost_process(config(90)):
        raise RuntimeError('[../gloo/transport/tcp/pair.cc:534] Connection closed by peer')
    said = capsys.readouterr().err
    assert 'process 0 of 1 stops' in said and 'dist_cfg.timeout = 90 seconds' in said
    assert '--resume' in said and 'Connection closed by peer' in said


def test_any_other_error_keeps_its_traceback(group_of_one: None) -> None:
    with pytest.raises(RuntimeError, match='mat1 and mat2'), explain_lost_process(config(90)):
        raise RuntimeError('mat1 and mat2 shapes cannot be multiplied')


def test_a_single_process_has_lost_none() -> None:
    with pytest.raises(RuntimeError, match='Connection reset'), explain_lost_process(config(90)):
        raise RuntimeError('Connection reset by a server of data')
