"""Stock baselines with a recurrent neck: few lines changed, and the rest of MMAction2's kept."""
import ast
import re
from pathlib import Path
from typing import Any, Dict, List, Set

import mmaction
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from cbm_plugin.registry import MODELS
from cbm_plugin.synthetic.video import write_mp4

from ..tiny_run import ROOT

PAGE = ROOT / 'docs/swap.md'
FOLDER = ROOT / 'configs/recognition/swap'
PLAIN = {path.stem.split('-')[0]: path for path in sorted(FOLDER.glob('*-cbm15_*.py'))}
OVERLAP = FOLDER / 'tsn-cbm15-overlap_imagenet-pretrained-r50_8xb32-6to8x2-100e_kinetics400-rgb.py'
BASES = ('i3d', 'slowonly', 'tsm', 'tsn')
TO_TRAIN = {'_base_', 'custom_imports', 'model.type', 'model.neck', 'model.cls_head'}


def entries(path: Path) -> Set[str]:
    """What a config file sets: names, and the keys of ``model``."""
    found = set()
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign):
            name = ast.unparse(statement.targets[0])
            keys = [word.arg for word in getattr(statement.value, 'keywords', [])]
            found |= {f'model.{key}' for key in keys} if name == 'model' else {name}
    return found


def differences(ours: Config, base: Config) -> Set[str]:
    """Where two loaded configs differ: at the top, and inside ``model``."""
    one, other = _plain(ours), _plain(base)
    found = {key for key in {*one, *other} - {'model'} if one.get(key) != other.get(key)}
    models = one['model'], other['model']
    return found | {f'model.{key}' for key in {*models[0], *models[1]}
                    if models[0].get(key) != models[1].get(key)}


def _plain(node: Any) -> Any:
    """Without the scope that MMEngine notes in each dict of a foreign base."""
    if isinstance(node, (dict, Config)):
        return {key: _plain(value) for key, value in node.items() if key != '_scope_'}
    return [_plain(value) for value in node] if isinstance(node, (list, tuple)) else node


def stock(path: Path) -> Config:
    """The MMAction2 config that a swap starts from."""
    base = next(ast.literal_eval(line.value) for line in ast.parse(path.read_text()).body
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == '_base_')
    return Config.fromfile(Path(mmaction.__file__).parent / '.mim/configs' / base.split('::')[1])


def shrink(node: Any) -> Any:
    """A pipeline or model at 64 in place of 224 and 256 pixels."""
    if isinstance(node, dict):
        return {key: shrink(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(shrink(value) for value in node)
    return {224: 64, 256: 64}.get(node, node) if type(node) is int else node


def small(path: Path, videos: Path, work_dir: Path) -> Config:
    """The config with narrow recurrent layers, on small frames of generated videos."""
    cfg = cheap(Config.fromfile(path), path.stem, work_dir)
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.update(ann_file=str(videos / 'list.txt'),
                                                  data_prefix=dict(video=str(videos)))
    return cfg


def cheap(cfg: Config, name: str, work_dir: Path) -> Config:
    """The same config in seconds: narrow, on small frames, without a download."""
    cfg.model.backbone.update(pretrained=None)
    if cfg.model.backbone.type in ('ResNet3d', 'ResNetTSM'):
        cfg.model.backbone.pretrained2d = False
    cfg.model.neck.hidden_channels = [8] * 15
    cfg.model.cls_head.in_channels = 8
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.pipeline = shrink(loader.dataset.pipeline)
    cfg.train_cfg.update(max_epochs=1, val_begin=10)
    cfg.work_dir, cfg.experiment_name, cfg.visualizer.name = str(work_dir), name, name
    return cfg


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('videos')
    rng = np.random.default_rng(0)
    for i in range(4):
        write_mp4(folder / f'{i}.mp4', rng.integers(0, 256, (70, 64, 80, 3), dtype=np.uint8))
    (folder / 'list.txt').write_text(''.join(f'{i}.mp4 {i}\n' for i in range(4)))
    return folder


def test_there_is_a_swap_for_each_of_the_four_baselines() -> None:
    assert tuple(PLAIN) == BASES


@pytest.mark.parametrize('name', BASES)
def test_five_entries_swap_a_baseline_for_training_and_a_sixth_for_testing(name: str) -> None:
    assert entries(PLAIN[name]) == TO_TRAIN | {'test_dataloader'}


@pytest.mark.parametrize('name', BASES)
def test_the_rest_of_the_base_stays_as_it_is(name: str) -> None:
    changed = differences(Config.fromfile(PLAIN[name]), stock(PLAIN[name]))
    assert changed == (TO_TRAIN | {'test_dataloader'}) - {'_base_'}


def test_overlapping_clips_take_three_more_lines_and_the_loss_one() -> None:
    body = [ast.unparse(line.targets[0]) for line in ast.parse(OVERLAP.read_text()).body
            if isinstance(line, ast.Assign)]
    assert body == ['_base_', 'train_pipeline', 'train_pipeline[1]', 'train_dataloader',
                    'custom_hooks', 'model_wrapper_cfg']


@pytest.mark.parametrize('path', [*PLAIN.values(), OVERLAP], ids=lambda path: path.stem[:17])
def test_a_swap_trains_two_iterations_and_tests(path: Path, videos: Path, tmp_path: Path) -> None:
    runner = Runner.from_cfg(small(path, videos, tmp_path))
    runner.train()
    assert runner.iter == 2
    assert 0 <= runner.test()['acc/top1'] <= 1
    overlap = runner.message_hub.log_scalars.get('train/coherence')
    assert overlap is not None and (overlap.current() > 0) == (path == OVERLAP)


@pytest.mark.parametrize('name', BASES)
def test_the_bases_own_views_are_refused_with_the_line_to_write(name: str, videos: Path,
                                                               tmp_path: Path) -> None:
    init_default_scope('mmaction')
    cfg = small(PLAIN[name], videos, tmp_path)
    pipeline = Compose(shrink(stock(PLAIN[name]).test_dataloader.dataset.pipeline))
    views = pipeline(dict(filename=str(videos / '0.mp4'), label=0, start_index=0, modality='RGB'))
    model = MODELS.build(cfg.model)
    with pytest.raises(ValueError, match='test_dataloader = _base_.val_dataloader') as error:
        model.test_step(dict(inputs=[views['inputs']], data_samples=[views['data_samples']]))
    assert str(views['inputs'].shape[0]) in str(error.value)


def test_the_optimizer_of_tsm_trains_every_parameter_of_the_swap(videos: Path,
                                                                 tmp_path: Path) -> None:
    cfg = small(PLAIN['tsm'], videos, tmp_path)
    init_default_scope('mmaction')
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
    trained = {id(parameter) for group in groups for parameter in group['params']}
    assert trained >= {id(parameter) for parameter in model.parameters()}


def packed(videos: Path, *steps: Dict[str, Any]) -> dict:
    init_default_scope('mmaction')
    pipeline = Compose([dict(type='DecordInit'), *steps, dict(type='PackActionInputs')])
    return pipeline(dict(filename=str(videos / '0.mp4'), label=0, start_index=0, modality='RGB'))


@pytest.mark.parametrize('sampler', [
    dict(clip_len=1, num_clips=8, twice_sample=True), dict(clip_len=4, num_clips=2)],
    ids=['twice sampled', 'two clips'])
def test_clips_side_by_side_in_the_time_axis_are_refused(sampler: dict, videos: Path,
                                                         tmp_path: Path) -> None:
    sample = packed(videos, dict(type='SampleFrames', test_mode=True, **sampler),
                    dict(type='DecordDecode'), dict(type='FormatShape', input_format='NCHW'))
    model = MODELS.build(small(PLAIN['tsn'], videos, tmp_path).model)
    with pytest.raises(ValueError, match='would take them for one long video'):
        model.test_step({key: [value] for key, value in sample.items()})


def test_the_plan_of_overlapping_clips_is_handed_on_without_a_word(videos: Path) -> None:
    sample = packed(videos, dict(type='SampleOverlapClips', num_clips=2, min_len=3, max_len=5),
                    dict(type='DecordDecode'), dict(type='FormatShape', input_format='NCHW'))
    assert len(sample['data_samples'].clip_plan.positions) == len(sample['inputs'])


def test_several_clips_never_pass_for_one_sequence_in_the_stock_wrapper(videos: Path,
                                                                       tmp_path: Path) -> None:
    sample = packed(videos, dict(type='SampleOverlapClips', num_clips=2, min_len=3, max_len=5),
                    dict(type='DecordDecode'), dict(type='FormatShape', input_format='NCHW'))
    model = MODELS.build(small(PLAIN['tsn'], videos, tmp_path).model)
    data = model.data_preprocessor({key: [value] for key, value in sample.items()}, training=True)
    with torch.no_grad(), pytest.raises(ValueError, match='ClipwiseDistributedDataParallel'):
        model.eval()(**data, mode='loss')


# --- docs/swap.md


def blocks() -> List[str]:
    return re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)


def statements(code: str) -> List[str]:
    return [ast.unparse(line) for line in ast.parse(code).body if isinstance(line, ast.Assign)]


def test_the_page_shows_the_lines_of_the_configs() -> None:
    assert statements(blocks()[0]) == statements(PLAIN['tsn'].read_text())
    assert statements(blocks()[1]) == statements(OVERLAP.read_text())[1:-1]
    wrapper = re.search(r'`(model_wrapper_cfg = .*)`', PAGE.read_text())
    assert wrapper and statements(wrapper[1]) == statements(OVERLAP.read_text())[-1:]


@pytest.mark.parametrize('name', BASES)
@torch.no_grad()
def test_the_page_says_what_the_neck_of_each_swap_sees(name: str, videos: Path,
                                                       tmp_path: Path) -> None:
    row, = (line.split('|') for line in PAGE.read_text().splitlines()
            if line.startswith(f'| [`{name}-cbm15_'))
    assert PLAIN[name].name in row[1]
    cfg = small(PLAIN[name], videos, tmp_path)
    init_default_scope('mmaction')
    model = MODELS.build(cfg.model).eval()
    frames = 32 if name == 'i3d' else 8
    maps, _ = model.extract_feat(torch.zeros(1, frames, 3, 32, 32, dtype=torch.uint8),
                                 stage='backbone')
    expected = str(maps.shape[1]) + ('' if maps.shape[1] == frames else f' of {frames} frames')
    assert row[2].strip() == expected
    assert row[3].strip() == ('yes' if model.causal else 'no')


def test_nine_lines_train_and_test_on_a_folder_of_videos(videos: Path, tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    mine = blocks()[2]
    assert len(mine.splitlines()) == 9
    (tmp_path / 'videos').symlink_to(videos)
    for split in ('train', 'val'):
        (videos / f'{split}_list.txt').write_text((videos / 'list.txt').read_text())
    (tmp_path / 'my_tsn.py').write_text(mine)
    monkeypatch.chdir(tmp_path)
    runner = Runner.from_cfg(cheap(Config.fromfile('my_tsn.py'), 'my_tsn', tmp_path / 'run'))
    runner.train()
    assert runner.iter == 2
    assert 0 <= runner.test()['acc/top1'] <= 1
