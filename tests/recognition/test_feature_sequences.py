"""Features in place of videos: every layout is read alike, and what does not fit is named."""
import pickle
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from cbm_plugin.engine import SampleIndex
from cbm_plugin.recognition import FeatureIdentity, FeatureSequences
from cbm_plugin.registry import DATASETS, MODELS

from ..tiny import sgd
from ..tiny_run import ROOT

CLIPS = [dict(type='SampleOverlapClips', num_clips=2, min_len=2, max_len=4),
         dict(type='LoadFeatures'),
         dict(type='PackActionInputs', algorithm_keys=('clip_plan',))]
WHOLE = [dict(type='SampleSequence'), dict(type='LoadFeatures'), dict(type='PackActionInputs')]
LENGTHS = (5, 7, 4, 6, 8, 5)


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope('mmaction')


def arrays(item: tuple = (3,), seed: int = 0) -> Dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {f'walk/v{i}': rng.standard_normal((length, *item)).astype(np.float32)
            for i, length in enumerate(LENGTHS)}


LABELS = [0, 1, 2, 0, 1, 2]
LIST = [f'walk/v{i} {label}' for i, label in enumerate(LABELS)]


class Layout:
    """Writes the same features in one of the layouts, and opens them."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind

    def write(self, features: Dict[str, np.ndarray], /, **extra: Any) -> 'Layout':
        if self.kind == 'npy folder':
            for name, array in features.items():
                path = self.folder / 'features' / f'{name}.npy'
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, array)
        elif self.kind == 'npz arrays':
            np.savez(self.folder / 'features.npz', **{**features, **extra})
        else:
            item = features['walk/v0'].shape[1:]
            table = np.zeros((len(features), max(LENGTHS), *item), np.float32)
            for row, array in zip(table, features.values()):
                row[:len(array)] = array
            fields = dict(features=table, length=np.array([len(f) for f in features.values()]),
                          video=np.array(list(features)), label=np.array(LABELS))
            np.savez(self.folder / 'features.npz', **{**fields, **extra})
        return self

    def open(self, lines: Optional[List[str]] = LIST, pipeline: list = WHOLE,
             **options: Any) -> FeatureSequences:
        if lines is not None:
            (self.folder / 'list.txt').write_text('\n'.join(lines) + '\n')
            options['ann_file'] = 'list.txt'
        name = 'features' if self.kind == 'npy folder' else 'features.npz'
        return FeatureSequences(pipeline=pipeline, data_root=str(self.folder),
                                data_prefix=dict(features=name), **options)


@pytest.fixture(params=['npy folder', 'npz arrays', 'npz table'])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Layout:
    return Layout(tmp_path, request.param)


@pytest.fixture
def npz(tmp_path: Path) -> Layout:
    return Layout(tmp_path, 'npz arrays')


# --- what is read


@pytest.mark.parametrize('item', [(3,), (3, 2, 4)])
def test_every_layout_gives_the_same_sequences(layout: Layout, item: tuple) -> None:
    written = arrays(item)
    data = layout.write(written).open()
    assert len(data) == 6
    for index, array in enumerate(written.values()):
        packed = data[index]
        assert np.array_equal(packed['inputs'].numpy().reshape(array.shape), array)
        assert packed['inputs'].ndim == 4
        assert int(packed['data_samples'].gt_label) == LABELS[index]
        assert packed['data_samples'].metainfo['video_id'] == f'walk/v{index}'


def test_the_clips_of_a_plan_pick_their_items(layout: Layout) -> None:
    data = layout.write({name: np.arange(len(a), dtype=np.float32)[:, None]
                         for name, a in arrays().items()}).open(pipeline=CLIPS)
    for index in range(6):
        packed = data[index]
        plan = packed['data_samples'].clip_plan
        assert packed['inputs'].flatten().tolist() == plan.positions.tolist()
        assert plan.length == LENGTHS[index]


def test_a_list_of_videos_serves_as_the_list_of_their_features(layout: Layout) -> None:
    data = layout.write(arrays()).open([line.replace(' ', '.avi ') for line in LIST])
    assert len(data[1]['inputs']) == LENGTHS[1]


def test_an_npz_of_arrays_carries_its_own_annotation(npz: Layout) -> None:
    npz.write(arrays(), video=np.array(list(arrays())), label=np.array(LABELS),
              split=np.array(['train'] * 4 + ['test'] * 2), classes=np.array(['a', 'b', 'c']))
    test = npz.open(None, split='test')
    assert [len(item['inputs']) for item in (test[0], test[1])] == [8, 5]
    assert test.metainfo['classes'] == ('a', 'b', 'c')
    assert len(npz.open(None)) == 6


def test_a_table_needs_neither_names_nor_lengths(tmp_path: Path) -> None:
    np.savez(tmp_path / 'features.npz', features=np.ones((2, 5, 3), np.float16),
             label=np.array(['b', 'a']), classes=np.array(['a', 'b']))
    data = Layout(tmp_path, 'npz table').open(None)
    assert [int(data[i]['data_samples'].gt_label) for i in (0, 1)] == [1, 0]
    assert data[0]['inputs'].shape == (5, 3, 1, 1) and data[0]['inputs'].dtype == torch.float16


def test_so_many_videos_per_class_are_drawn_by_their_seed(npz: Layout) -> None:
    npz.write(arrays())
    drawn = [[item['data_samples'].metainfo['video_id']
              for item in npz.open(per_class=1, subset_seed=seed)] for seed in (0, 0, 1, 2, 3)]
    assert len(drawn[0]) == 3 and drawn[0] == drawn[1]
    assert len(set(map(tuple, drawn))) > 1


def test_a_sample_depends_on_seed_epoch_and_index_only(npz: Layout) -> None:
    data = npz.write(arrays()).open(pipeline=CLIPS)
    plans = [data[SampleIndex(4, seed=0, epoch=epoch)]['data_samples'].clip_plan
             for epoch in (0, 0, 1, 2, 3)]
    assert plans[0] == plans[1] and len(set(map(repr, plans))) > 1


def test_a_data_set_travels_to_another_process(layout: Layout) -> None:
    data = layout.write(arrays()).open()
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy[2]['inputs'], data[2]['inputs'])


def test_several_worker_processes_read_what_one_reads(layout: Layout) -> None:
    data = layout.write(arrays()).open()
    loader = DataLoader(data, batch_size=None, num_workers=2)
    for index, packed in enumerate(loader):
        assert torch.equal(packed['inputs'], data[index]['inputs'])


# --- what is refused


def test_missing_arrays_are_counted_and_named(layout: Layout) -> None:
    layout.write(arrays())
    with pytest.raises(ValueError, match=r'lacks the features of 2 of 8 videos: a, b/c\. Extract'):
        layout.open([*LIST, 'a 0', 'b/c 1'])


@pytest.mark.parametrize('shape', [(5,), (5, 3, 2), (5, 3, 2, 2, 2), (0, 3)])
def test_an_array_of_another_rank_or_without_items_is_refused(npz: Layout, shape: tuple) -> None:
    npz.write({**arrays(), 'walk/v3': np.zeros(shape)})
    with pytest.raises(ValueError, match=r'features\.npz: walk/v3 has the shape .* must be'):
        npz.open()


def test_arrays_of_other_channels_than_the_rest_are_refused(npz: Layout) -> None:
    npz.write({**arrays(), 'walk/v3': np.zeros((5, 4))})
    with pytest.raises(ValueError, match=r'walk/v3 has the shape \(4,\), one of walk/v0 \(3,\)'):
        npz.open()


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_value_that_is_no_number_is_named_when_drawn(layout: Layout, value: float) -> None:
    features = arrays()
    features['walk/v1'][3, 2] = value
    data = layout.write(features).open()
    with pytest.raises(ValueError, match=rf'item 3 of walk/v1 contains {value}: extract'):
        data[1]


def test_a_value_that_is_no_number_is_named_before_training_when_asked(layout: Layout) -> None:
    features = arrays()
    features['walk/v1'][3, 2] = np.nan
    with pytest.raises(ValueError, match='item 3 of walk/v1 contains nan'):
        layout.write(features).open(check='values')


def test_no_pickle_is_ever_loaded(npz: Layout) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return open, (str(npz.folder / 'sprung'), 'w')

    np.savez(npz.folder / 'features.npz', **{**arrays(), 'walk/v1': np.array([[Trap()]])})
    with pytest.raises(ValueError, match='walk/v1 has the type object, .* never loaded'):
        npz.open()
    np.savez(npz.folder / 'features.npz', label=np.array([Trap()]), features=np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match='label in .*features.npz cannot be read'):
        npz.open(None)
    assert not (npz.folder / 'sprung').exists()


@pytest.mark.parametrize('name', ['../outside', 'walk/../../outside', '/outside', 'C:/outside',
                                  '..\\outside'])
def test_a_name_cannot_lead_out_of_the_folder(layout: Layout, name: str) -> None:
    layout.write(arrays())
    np.save(layout.folder / 'outside.npy', np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r'line 7.* leads out of|leads out of .*line 7'):
        layout.open([*LIST, f'{name} 0'])


@pytest.mark.parametrize('label', ['3', '-1', 'jump', '1.5'])
def test_an_unknown_label_is_named_with_its_line(npz: Layout, label: str) -> None:
    npz.write(arrays())
    with pytest.raises(ValueError, match=rf"list\.txt, line 2: the label '{label}' of walk/v1 is "
                                         r'unknown, known are 0\.\.2: correct'):
        npz.open([LIST[0], f'walk/v1 {label}'], num_classes=3)


@pytest.mark.parametrize('lines, message', [
    (['walk/v0'], "line 1: 'walk/v0' is not 'name label'"),
    ([LIST[0], LIST[0]], 'line 2: walk/v0 stands in .*line 1 too'),
    ([''], 'list.txt has no videos')])
def test_a_bad_list_is_refused(npz: Layout, lines: List[str], message: str) -> None:
    npz.write(arrays())
    with pytest.raises(ValueError, match=message):
        npz.open(lines)


@pytest.mark.parametrize('extra, message', [
    (dict(label=np.zeros(5, int)), r'label has the shape \(5,\) .* the 6 videos'),
    (dict(label=np.zeros(6)), 'the type float64, but must hold a whole number'),
    (dict(length=np.full(6, 9)), r'length must hold one whole number in 1\.\.8'),
    (dict(video=np.array(['x'] * 6)), "two videos have the name 'x'"),
    (dict(features=np.zeros((6, 8))), r'features has the shape \(6, 8\), but must be \(V, T, C\)')])
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, extra: dict,
                                                    message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Layout(tmp_path, 'npz table').write(arrays(), **extra).open(None)


def test_an_unknown_split_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    table = Layout(tmp_path, 'npz table').write(arrays(), split=np.array(['a', 'b', 'c'] * 2))
    with pytest.raises(ValueError, match=r"no split 'train' .* it has \['a', 'b', 'c'\]"):
        table.open(None, split='train')


def test_files_that_are_not_there_or_no_arrays_are_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path, 'npz arrays')
    with pytest.raises(FileNotFoundError, match='neither a folder nor an npz file .*features.npz'):
        layout.open()
    (tmp_path / 'features.npz').write_bytes(b'PK\x03\x04 damaged')
    with pytest.raises(ValueError, match='features.npz is not an npz file'):
        layout.open()
    with pytest.raises(FileNotFoundError, match='list of videos none.txt does not exist'):
        FeatureSequences('none.txt', WHOLE, data_prefix=dict(features='features.npz'))
    with pytest.raises(ValueError, match=r'needs data_prefix=dict\(features=PATH\)'):
        FeatureSequences('none.txt', WHOLE)


def test_a_truncated_npy_file_is_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path, 'npy folder').write(arrays())
    broken = tmp_path / 'features/walk/v2.npy'
    broken.write_bytes(broken.read_bytes()[:-8])
    data = layout.open()
    with pytest.raises(ValueError, match=r'v2\.npy cannot be read'):
        data[2]


def test_other_channels_than_the_model_expects_are_refused() -> None:
    with pytest.raises(ValueError, match='features have 3 channels, but backbone.in_channels is 4'):
        FeatureIdentity(in_channels=4)(torch.zeros(2, 3, 1, 1))


# --- with the rest of the plugin

VECTOR = dict(type='CBM', kernel_size=None, norm='BN')
STACKS = {
    'vector CBM': (VECTOR, (3,)), 'LSTM': (dict(type='LSTM'), (3,)),
    'GRU': (dict(type='GRU'), (3,)), 'CBM on maps': (dict(type='CBM'), (3, 2, 2)),
    'temporal mean': (None, (3,))}


def config(folder: Path, layer: Optional[dict]) -> Config:
    """A whole run on features: ragged batches of 3, two epochs."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py')
    neck = None if layer is None else dict(
        type='RecurrentNeck', in_channels=3, hidden_channels=[4, 4], layer=layer)
    dataset = dict(type='FeatureSequences', ann_file='list.txt', data_root=str(folder),
                   data_prefix=dict(features='features.npz'), num_classes=3, pipeline=CLIPS)
    loader = dict(batch_size=3, num_workers=0, dataset=dataset,
                  sampler=dict(type='SeededSampler', shuffle=True))
    tested = dict(loader, dataset=dict(dataset, pipeline=WHOLE, test_mode=True),
                  sampler=dict(type='DefaultSampler', shuffle=False))
    cfg.merge_from_dict(dict(
        model=dict(type='RecurrentRecognizer', backbone=dict(type='FeatureIdentity', in_channels=3),
                   data_preprocessor=dict(type='SequencePreprocessor'), neck=neck,
                   cls_head=dict(type='RecurrentHead', num_classes=3,
                                 in_channels=3 if layer is None else 4, topk=1)),
        train_dataloader=loader, test_dataloader=tested,
        train_cfg=dict(by_epoch=True, max_epochs=2), test_cfg=dict(),
        test_evaluator=dict(type='AccMetric'), work_dir=str(folder / 'run'),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-2)),
        custom_hooks=[dict(type='SeedIterationHook'), dict(type='CoherenceHook', weight=0.5)],
        default_hooks=dict(checkpoint=dict(save_best=None))))
    return cfg


@pytest.fixture
def unnamed(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.node.name


@pytest.mark.parametrize('stack', STACKS)
def test_a_stack_trains_and_tests_on_features(npz: Layout, stack: str, unnamed: str) -> None:
    layer, item = STACKS[stack]
    npz.write(arrays(item)).open()
    cfg = config(npz.folder, layer)
    cfg.experiment_name = cfg.visualizer.name = unnamed
    runner = Runner.from_cfg(cfg)
    before = [p.detach().clone() for p in runner.model.parameters()]
    runner.train()
    assert runner.iter == 4
    assert any(not torch.equal(a, b) for a, b in zip(before, runner.model.parameters()))
    assert 0 <= runner.test()['acc/top1'] <= 1


def test_padding_of_ragged_features_does_not_reach_a_score(npz: Layout) -> None:
    data = npz.write(arrays()).open()
    cfg = config(npz.folder, VECTOR)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    together = [data[i] for i in range(4)]
    scores = []
    for group in ([together], [[item] for item in together]):
        for items in group:
            batch = dict(inputs=[item['inputs'] for item in items],
                         data_samples=[item['data_samples'] for item in items])
            scores += [sample.pred_score.clone() for sample in model.test_step(batch)]
    assert torch.allclose(torch.stack(scores[:4]), torch.stack(scores[4:]), atol=1e-6)


def test_the_config_in_the_docs_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / 'docs/datasets.md').read_text()
    block, = re.findall(r'```python\n(.*?)```', page, re.DOTALL)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / 'features.npz', label=np.arange(2), split=np.array(['train'] * 2),
             features=rng.standard_normal((2, 12, 512)).astype(np.float16))
    monkeypatch.chdir(tmp_path)
    cfg = Config.fromstring(block, '.py')
    data = DATASETS.build(cfg.train_dataloader.dataset)
    model = MODELS.build(cfg.model)
    log = model.train_step(pseudo_collate([data[0], data[1]]), sgd(model))
    assert torch.isfinite(log['loss'])
