"""What was trained and how it was tested: what may share a row, and how a row says so."""
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from mmengine.config import Config

from .runs import Run

IRRELEVANT = ('work_dir', 'experiment_name', 'visualizer', 'vis_backends', 'log_level', 'resume',
              'log_processor', 'launcher', 'env_cfg', 'load_from', 'test_after_train',
              'default_hooks.logger', 'default_hooks.checkpoint.type',
              'default_hooks.checkpoint.max_keep_ckpts', 'default_hooks.memory',
              'randomness.seed')
"""Entries of a config that change no number (a checkpoint to start from is looked at apart)."""
LOADER = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')
TESTS = ('test_dataloader', 'test_pipeline', 'test_evaluator', 'test_cfg')
DATA_SETS = {'ucf101': 'UCF-101', 'hmdb51': 'HMDB-51', 'kinetics400': 'Kinetics-400'}
"""Their names, as lists begin that MMAction2's and our tools for data prepare."""
CROPS = {'ThreeCrop': 3, 'TenCrop': 10}

Settings = Dict[str, Any]


class Protocol(NamedTuple):
    """How a run was tested, in words."""
    data: str
    split: str
    text: str


def settings_of(run: Run) -> Settings:
    """Everything that could change the result, flat; runs with equal settings share a row."""
    training = {key: value for key, value in _flat(run.training) if _matters(key)}
    if not run.training.get('resume'):
        training['load_from'] = run.training.get('load_from')
    loader = run.testing.test_dataloader
    tested = dict(dataset=loader.dataset, evaluator=run.testing.get('test_evaluator'),
                  cfg=run.testing.get('test_cfg'), model=run.testing.model)
    return {**training, **{f'test.{key}': value for key, value in _flat(tested)},
            'test.weights': run.weights}


def key_of(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True, default=str)


def differing(settings: List[Settings]) -> List[str]:
    """The keys that tell these settings apart; the test's copy of the model only where alone."""
    keys = sorted({key for one in settings for key in one})
    apart = [key for key in keys
             if len({json.dumps(one.get(key), default=str) for one in settings}) > 1]
    return [key for key in apart
            if not (key.startswith('test.') and key.split('.', 1)[1] in apart)]


def protocol_of(run: Run) -> Protocol:
    """Data, split, views, frames, aggregation and weights."""
    dataset = run.testing.test_dataloader.dataset
    source = dataset.get('ann_file') or dataset.get('data_root') or ''
    folder = dataset.get('data_root') or (dataset.get('data_prefix') or {}).get('video') or ''
    name = Path(str(folder)).name or Path(str(source)).parent.name
    split = dataset.get('split') or Path(str(dataset.get('ann_file', ''))).stem or 'unknown'
    for start, known in DATA_SETS.items():
        if split.startswith(start):
            return Protocol(known, split[len(start):].strip('_'), _text(run, dataset))
    if dataset.get('num_clips'):
        split += f' ({dataset.num_clips} videos)'
    return Protocol(f'{dataset.type} {name}'.strip(), split, _text(run, dataset))


def _text(run: Run, dataset: dict) -> str:
    views, frames = _views_and_frames(dataset.get('pipeline') or ())
    text = f'{views} view{"s" * (views > 1)}, {frames}, {_aggregation(run.testing)}, ' \
           f'{run.weights} weights'
    loop = (run.testing.get('test_cfg') or {}).get('type')
    if loop not in (None, 'TestLoop'):
        text += f', {loop}'
    return text


def _views_and_frames(pipeline: List[dict]) -> Tuple[int, str]:
    views, frames = 1, 'all frames'
    for step in pipeline:
        kind = step.get('type')
        views *= CROPS.get(kind, 1)
        if kind == 'SampleFrames':
            views *= step.get('num_clips', 1)
            frames = f"{step['clip_len']} frames, interval {step.get('frame_interval', 1)}"
        elif kind == 'SampleSequence':
            frames = (f"{step['num_items']} frames spread evenly" if step.get('num_items')
                      else f"every frame, interval {step.get('frame_interval', 1)}")
        elif kind == 'ObserveBeginning':
            seen = ', '.join(f'{k}={v}' for k, v in step.items() if k != 'type')
            frames += f' of the beginning ({seen})'
    return views, frames


def _aggregation(cfg: Config) -> str:
    head = cfg.model.get('cls_head') or {}
    if head.get('type') == 'RecurrentHead':
        return f"{head.get('aggregation', 'mean')} of the frames"
    return f"clips averaged by {head.get('average_clips')}"


def _matters(key: str) -> bool:
    parts = key.split('.')
    if parts[0] in TESTS or (parts[0].endswith('_dataloader') and parts[1] in LOADER):
        return False
    return not any(key == entry or key.startswith(entry + '.') for entry in IRRELEVANT)


def _flat(value: Any, prefix: str = '') -> Iterator[Tuple[str, Any]]:
    """Leaves with dotted keys; lists are leaves where they hold no dict."""
    if isinstance(value, Config):
        value = value.to_dict()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value):
        items = ((str(i), item) for i, item in enumerate(value))
    else:
        yield prefix, list(value) if isinstance(value, tuple) else value
        return
    for key, item in items:
        yield from _flat(item, f'{prefix}.{key}' if prefix else key)
