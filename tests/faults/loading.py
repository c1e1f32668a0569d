"""Files that would run a command or lead out of their folder: all are refused, and nothing runs.

A file is an attack (what its pickle calls) in a carrier (what the file is). Each attack would leave
a file, the marker, so that one look tells whether it ran.
"""
import builtins
import importlib
import io
import itertools
import os
import pickle
import random
import subprocess
import threading
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import mmengine
import numpy as np
import torch
import yaml
from mmengine.runner import CheckpointLoader

import cbm_plugin.polygon
import cbm_plugin.prediction
import cbm_plugin.recognition  # noqa: F401  (all data sets are registered)
from cbm_plugin import safe_loading
from cbm_plugin.engine.checkpoints import load_exactly
from cbm_plugin.prediction.data.idx_file import read_idx
from cbm_plugin.prediction.data.moving_mnist import open_sequences
from cbm_plugin.progress import Progress
from cbm_plugin.recognition.feature_store import NpyFolder, open_npz, read_array
from cbm_plugin.registry import DATASETS

from .outcome import Outcome

# -- attacks


class Called:
    """Is pickled as a call, and can itself be called in another one."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.reduction = function, args

    def __reduce__(self) -> tuple:
        return self.reduction

    def __call__(self) -> None:
        """Never: pickle only asks whether it can be."""


class Foreign:
    """A class that the reader may not know, and whose state runs when it is set."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __setstate__(self, state: dict) -> None:
        Path(state['marker']).touch()


def bytes_of(value: Any) -> bytes:
    """As a tensor's storage stands in a pickle: a file of torch.save in its old format."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


ATTACKS: Dict[str, Callable[[str], Any]] = {
    'os.system': lambda marker: Called(os.system, f'touch {marker}'),
    'subprocess.call': lambda marker: Called(subprocess.call, ['touch', marker]),
    'eval': lambda marker: Called(builtins.eval, f'open({marker!r}, "w")'),
    'exec': lambda marker: Called(builtins.exec, f'open({marker!r}, "w")'),
    'open': lambda marker: Called(io.open, marker, 'w'),
    'os.mkdir': lambda marker: Called(os.mkdir, marker),
    'a chain of getattr': lambda marker: Called(
        Called(getattr, Called(importlib.import_module, 'os'), 'system'), f'touch {marker}'),
    'getattr of a builtin': lambda marker: Called(
        Called(getattr, Called(importlib.import_module, 'builtins'), 'exec'),
        f'open({marker!r}, "w")'),
    'a call held back': lambda marker: Called(list, Called(map, os.system, [f'touch {marker}'])),
    'a foreign class': Foreign,
    'in an array of objects': lambda marker: np.array(
        [Called(os.system, f'touch {marker}'), None], dtype=object),
    "in a tensor's storage": lambda marker: Called(
        torch.storage._load_from_bytes, bytes_of(Called(os.system, f'touch {marker}'))),
}
"""What a crafted pickle holds, by what it calls: the marker's path -> the object."""

# -- carriers


def checkpoint(value: Any, path: Path) -> None:
    """As MMEngine writes it."""
    torch.save(dict(state_dict={}, meta=dict(epoch=1, iter=1), message_hub=value), path)


def old_checkpoint(value: Any, path: Path) -> None:
    """Of the time before zip files."""
    torch.save(dict(state_dict={'weight': value}), path, _use_new_zipfile_serialization=False)


def plain_pickle(value: Any, path: Path) -> None:
    """No checkpoint, whatever its name."""
    path.write_bytes(pickle.dumps(dict(state_dict=value)))


def npy(value: Any, path: Path) -> None:
    """An array of objects: a pickle."""
    np.save(path, objects(value), allow_pickle=True)


def npz(value: Any, path: Path) -> None:
    """An archive of such an array."""
    np.savez(path, features=objects(value))


def objects(value: Any) -> np.ndarray:
    """In the shape of features."""
    array = np.empty((1, 2), dtype=object)
    array[0, 0] = value
    return array


def page(value: Any, path: Path) -> None:
    """YAML with tags of Python, which call as a pickle does."""
    path.write_text(yaml.dump(dict(videos=[value])))


def read_npz(path: Path) -> Any:
    """The array of an npz."""
    with open_npz(str(path)) as archive:
        return read_array(archive, 'features', str(path))


def feature_folder(path: Path) -> None:
    """The data set of the features beside a list."""
    (path.parent / 'list.txt').write_text(f'{path.stem} 0\n')
    DATASETS.build(dict(type='FeatureSequences', ann_file=str(path.parent / 'list.txt'),
                        data_prefix=dict(features=str(path.parent))))


def from_url(path: Path) -> Any:
    """Through MMEngine from a server, which here serves the file's folder."""
    handler = partial(_Quiet, directory=str(path.parent))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            return safe_loading.mmengine_checkpoint.load_from_http(
                f'http://127.0.0.1:{server.server_port}/{path.name}', map_location='cpu',
                model_dir=str(path.parent / 'downloads'), progress=False)
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


CHECKPOINT_READERS: Dict[str, Callable[[Path], Any]] = {
    'MMEngine': lambda path: CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent'),
    'MMEngine from a URL': from_url,
    'the demos': lambda path: load_exactly(torch.nn.Linear(1, 1), path),
    'ours': safe_loading.load,
    'ours for torch before 2.6': safe_loading.load_without_safe_mode,
    'torch': torch.load,
}


@dataclass(frozen=True)
class Carrier:
    """A kind of file: how it is written, and who reads it."""
    suffix: str
    write: Callable[[Any, Path], None]
    readers: Dict[str, Callable[[Path], Any]]
    attacks: Sequence[str] = tuple(ATTACKS)


CARRIERS: Dict[str, Carrier] = {
    'checkpoint': Carrier('.pth', checkpoint, CHECKPOINT_READERS),
    'old checkpoint': Carrier('.pth', old_checkpoint, CHECKPOINT_READERS),
    'pickle called checkpoint': Carrier('.pth', plain_pickle, CHECKPOINT_READERS),
    'pickled annotation': Carrier('.pkl', plain_pickle, {'MMEngine': mmengine.load}),
    'YAML annotation': Carrier('.yaml', page, {'MMEngine': mmengine.load}, (
        'os.system', 'subprocess.call', 'eval', 'exec', 'os.mkdir', 'a foreign class')),
    'array': Carrier('.npy', npy, {
        'features': lambda path: NpyFolder(path.parent).read(path.stem),
        'FeatureSequences': feature_folder,
        'mnist_test_seq.npy': lambda path: open_sequences(str(path)),
        "MNIST's digits": lambda path: read_idx(str(path))}),
    'archive': Carrier('.npz', npz, {'features': read_npz}),
}


def is_refused(folder: Path, attack: str, carrier: str, reader: str) -> bool:
    """Write the file and have it read: whether that ends in a refusal and leaves no marker."""
    folder.mkdir(parents=True)
    path = folder / f'crafted{CARRIERS[carrier].suffix}'
    marker = path.with_suffix('.ran')
    CARRIERS[carrier].write(ATTACKS[attack](str(marker)), path)
    try:
        CARRIERS[carrier].readers[reader](path)
    except (pickle.UnpicklingError, ValueError):
        return not marker.exists()
    except Exception:  # no refusal: what it did before it failed is not known
        return False
    return False


def combinations() -> List[Tuple[str, str, str]]:
    """All attacks in all carriers before all readers."""
    return [(attack, name, reader) for name, carrier in CARRIERS.items()
            for reader in carrier.readers for attack in carrier.attacks]


# -- paths

LEADING_OUT = ('../{outside}', 'clips/../../{outside}', '{absolute}', './/..//{outside}')
"""Paths that an annotation may name, from the folder of the data to a file beside that folder."""


def video_list(root: Path, path: str) -> None:
    """A list of videos."""
    (root / 'list.txt').write_text(f'{path} 0\n')
    DATASETS.build(dict(type='CheckedVideoDataset', ann_file='list.txt', pipeline=[],
                        data_root=str(root), data_prefix=dict(video='')))


def frame_list(root: Path, path: str) -> None:
    """A list of folders of images."""
    (root / 'list.txt').write_text(f'{path} 1 0\n')
    DATASETS.build(dict(type='CheckedRawframeDataset', ann_file='list.txt', pipeline=[],
                        data_root=str(root), data_prefix=dict(img='')))


def window_list(root: Path, path: str) -> None:
    """A list of videos whose frames are predicted."""
    (root / 'list.txt').write_text(f'{path}\n')
    DATASETS.build(dict(type='VideoFrameFolder', ann_file='list.txt', data_root=str(root),
                        num_inputs=1, num_outputs=1))


def kth_list(root: Path, path: str) -> None:
    """A list of KTH's videos, whose names are no paths."""
    (root / 'list.txt').write_text(f'{path} 1 95\n')
    DATASETS.build(dict(type='KTHActions', ann_file='list.txt', data_root=str(root)))


def coco_file(root: Path, path: str) -> None:
    """Annotations in COCO's format."""
    square = dict(id=1, image_id=1, category_id=1, segmentation=[[1, 1, 9, 1, 9, 9, 1, 9]],
                  bbox=[1, 1, 8, 8], area=64, iscrowd=0)
    mmengine.dump(dict(images=[dict(id=1, file_name=path, height=10, width=10)],
                       annotations=[square], categories=[dict(id=1, name='one')]),
                  root / 'coco.json')
    DATASETS.build(dict(type='CocoPolygons', ann_file='coco.json', data_root=str(root)))


def feature_list(root: Path, path: str) -> None:
    """A list of videos whose features were extracted."""
    (root / 'list.txt').write_text(f'{path} 0\n')
    DATASETS.build(dict(type='FeatureSequences', ann_file='list.txt', data_root=str(root),
                        data_prefix=dict(features='clips')))


PATH_READERS: Dict[str, Callable[[Path, str], None]] = {
    'CheckedVideoDataset': video_list, 'CheckedRawframeDataset': frame_list,
    'VideoFrameFolder': window_list, 'KTHActions': kth_list, 'CocoPolygons': coco_file,
    'FeatureSequences': feature_list}


def stays_inside(folder: Path, reader: str, template: str) -> bool:
    """Whether a data set refuses a path that leads out of its folder, and says so."""
    root, outside = folder / 'data', 'secret.npy' if reader == 'FeatureSequences' else 'secret.mp4'
    (root / 'clips').mkdir(parents=True)
    (folder / outside).write_text('of somebody else')  # it is there, so it is not merely missing
    path = template.format(outside=outside, absolute=folder / outside)
    try:
        PATH_READERS[reader](root, path)
    except ValueError as error:
        return path in str(error) and ('leads out' in str(error) or reader == 'KTHActions')
    return False


# -- the bench


def run(folder: Path, tried: int, seed: int) -> List[Outcome]:
    """Attack every reader with crafted files, and every data set with paths that lead out.

    Args:
        folder: for the files; each attack has a folder of its own.
        tried: crafted files, drawn by ``seed`` where there are more kinds than that; all paths.
        seed: of the drawing.
    """
    chosen = drawn(combinations(), tried, seed)
    progress = Progress('crafted files', len(chosen))
    good = []
    for number, (attack, carrier, reader) in enumerate(chosen):
        good.append(is_refused(folder / f'file{number}', attack, carrier, reader))
        progress.update(number + 1)
    ran = [marker for marker in folder.rglob('*.ran')]
    paths = [stays_inside(folder / f'path{number}', reader, template) for number, (
        reader, template) in enumerate(itertools.product(PATH_READERS, LEADING_OUT))]
    return [
        Outcome('a file that would run a command is refused', len(good), sum(good), len(ran),
                f'{len(ATTACKS)} attacks, {len(CARRIERS)} kinds of file, {_readers()} readers'),
        Outcome('a listed path that leads out of the data root is refused', len(paths), sum(paths),
                0, f'{len(PATH_READERS)} data sets, {len(LEADING_OUT)} kinds of path')]


def drawn(kinds: Sequence[Any], number: int, seed: int) -> List[Any]:
    """So many of them, each as often as any other, give or take one."""
    rng = random.Random(seed)

    def rounds() -> Iterator[Any]:
        while True:
            yield from rng.sample(kinds, len(kinds))

    return list(itertools.islice(rounds(), number))


def _readers() -> int:
    return sum(len(readers) for readers in {id(carrier.readers): carrier.readers
                                            for carrier in CARRIERS.values()}.values())
