"""From a config: the backbone with its weights, and the videos with their names."""
import hashlib
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from cbm_plugin.engine.checkpoints import compare
from cbm_plugin.registry import DATASETS, MODELS

SAMPLERS = ('SampleFrames', 'UniformSample', 'DenseSampleFrames', 'SampleSequence',
            'SampleOverlapClips', 'SampleFixedStrideClips')
CROPS = {'ThreeCrop': 'CenterCrop', 'TenCrop': 'CenterCrop'}


class Video(NamedTuple):
    """A video to extract: ``index`` in its data set, its name without suffix, its label."""
    split: str
    index: int
    name: str
    label: int


# --- the backbone


def build_model(cfg: Config, checkpoint: str) -> torch.nn.Module:
    """The config's backbone and normalisation, in evaluation, as a recognizer without the rest.

    Args:
        cfg: of any recognizer.
        checkpoint: of a recognizer with this backbone; ``'none'``: the weights that the config
            itself names (``pretrained``, ``init_cfg``), or random ones.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the checkpoint's backbone is another.
    """
    init_default_scope('mmaction')
    backbone = dict(cfg.model.backbone)
    if checkpoint != 'none':
        if '://' not in checkpoint and not Path(checkpoint).is_file():
            raise FileNotFoundError(f'there is no checkpoint {checkpoint}: give an existing file, '
                                    "a URL, or 'none' for the weights that the config names")
        backbone.update({key: None for key in ('pretrained', 'init_cfg') if key in backbone})
    model = MODELS.build(dict(type='RecurrentRecognizer', backbone=backbone,
                              data_preprocessor=cfg.model.get('data_preprocessor')))
    if checkpoint == 'none':
        model.init_weights()
    else:
        _load_backbone(model, checkpoint)
    return model.eval()


def _load_backbone(model: torch.nn.Module, checkpoint: str) -> None:
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu', logger='silent')
    weights = {key.rpartition('backbone.')[2]: value
               for key, value in loaded.get('state_dict', loaded).items()
               if key.startswith(('backbone.', 'module.backbone.'))}
    differences = compare(model.backbone.state_dict(), weights)
    if any(differences):
        raise ValueError(f'the backbone in {checkpoint} is not that of the config: {differences}. '
                         'Use the config that it was trained with')
    model.backbone.load_state_dict(weights)


def features_of(model: torch.nn.Module, frames: Tensor, chunk_len: int, maps: bool) -> Tensor:
    """``(T, C, H, W)`` frames -> float32 ``(T', C')``, or ``(T', C', H', W')`` maps.

    Args:
        model: of :func:`build_model`.
        frames: as the pipeline gives them.
        chunk_len: so many frames at once, where the backbone looks at single frames.
        maps: keep maps; else they are averaged.
    """
    length = chunk_len if model.causal else len(frames)
    parts: List[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(frames), length):
            chunk = frames[None, start:start + length]
            features = model.extract_feat(chunk, stage='backbone')[0][0]
            if features.ndim == 4 and not maps:
                features = features.mean(dim=(-2, -1))
            parts.append(features.float().cpu())
    return torch.cat(parts)


# --- the videos


def test_pipeline(cfg: Config, num_items: Optional[int], interval: Optional[int]) -> List[dict]:
    """The config's test pipeline, which picks whole sequences and gives ``(T, C, H, W)``.

    Args:
        cfg: the config.
        num_items: so many items spread over each video, or None.
        interval: every so-manieth frame, or None. Both None: as the config's ``SampleSequence``,
            or at the interval of its other sampler, else 1.

    Raises:
        ValueError: the pipeline has no sampler.
    """
    pipeline = [dict(step) for step in _dataset(cfg, 'test')['pipeline']]
    samplers = [step for step in pipeline if step['type'] in SAMPLERS]
    if len(samplers) != 1:
        raise ValueError(f'the test pipeline has {len(samplers)} samplers of frames, but needs one '
                         f'of {", ".join(SAMPLERS)}')
    given = dict(num_items=num_items) if num_items else dict(frame_interval=interval)
    if num_items or interval or samplers[0]['type'] != 'SampleSequence':
        if not (num_items or interval):
            given = dict(frame_interval=samplers[0].get('frame_interval', 1))
        samplers[0].clear()
        samplers[0].update(type='SampleSequence', **given)
    for step in pipeline:
        step['type'] = CROPS.get(step['type'], step['type'])
        if step['type'] == 'FormatShape':
            step.update(input_format='NCHW')
    return pipeline


def _dataset(cfg: Config, split: str) -> dict:
    loader = cfg.get(f'{split}_dataloader')
    if loader is None or 'pipeline' not in loader.dataset:
        raise ValueError(f'the config has no {split}_dataloader with a data set of videos: leave '
                         f'{split} out of --splits')
    return dict(loader.dataset)


def build_datasets(cfg: Config, splits: Sequence[str], pipeline: List[dict]) -> Dict[str, Any]:
    """The data set of each split, all with the pipeline of testing."""
    return {split: DATASETS.build(dict(_dataset(cfg, split), pipeline=pipeline, test_mode=True))
            for split in splits}


def videos_of(datasets: Dict[str, Any]) -> List[Video]:
    """Every video once, named by its path below the data set's folder, without suffix.

    Where the splits have folders of their own, the name starts with that of the split.

    Raises:
        ValueError: two videos have one name.
    """
    apart = len({str(dataset.data_prefix) for dataset in datasets.values()}) > 1
    videos: Dict[str, Video] = {}
    for split, dataset in datasets.items():
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            name = f'{split}/{_name(dataset, info)}' if apart else _name(dataset, info)
            if name in videos:
                raise ValueError(f'{videos[name].split} and {split} both have the video {name}: '
                                 'leave one of the two out of --splits, or, where one split has '
                                 'it twice, out of its list')
            videos[name] = Video(split, index, name, int(info['label']))
    return list(videos.values())


def _name(dataset: Any, info: dict) -> str:
    kind, path = ('video', info['filename']) if 'filename' in info else ('img', info['frame_dir'])
    place = PurePosixPath(Path(path).relative_to(dataset.data_prefix.get(kind) or '').as_posix())
    return str(place.with_suffix('') if kind == 'video' else place)


def samples_of(datasets: Dict[str, Any], videos: Sequence[Video], workers: int
               ) -> Iterator[Tuple[Video, Tensor, str]]:
    """Each video with its frames ``(T, C, H, W)``, and what is wrong with it ('' if nothing)."""
    for split, dataset in datasets.items():
        mine = [video for video in videos if video.split == split]
        loader = DataLoader(Subset(dataset, [video.index for video in mine]), batch_size=None,
                            num_workers=workers)
        for video, sample in zip(mine, loader):
            faults = sample['data_samples'].metainfo.get('faults', ())
            yield video, sample['inputs'], '; '.join(message for _, message in faults)


def settings_of(cfg: Config, checkpoint: str, pipeline: List[dict], maps: bool,
                dtype: str) -> Dict[str, str]:
    """What the values of the features depend on, as text."""
    return dict(backbone=str(dict(cfg.model.backbone)), checkpoint=_digest(checkpoint),
                data_preprocessor=str(dict(cfg.model.get('data_preprocessor') or {})),
                pipeline=str(pipeline), maps=str(maps), dtype=dtype)


def _digest(checkpoint: str) -> str:
    """SHA-256 of a file; a URL or ``'none'`` as it is."""
    if not Path(checkpoint).is_file():
        return checkpoint
    digest = hashlib.sha256()
    with open(checkpoint, 'rb') as stream:
        for block in iter(lambda: stream.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()
