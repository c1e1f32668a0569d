"""Where features go: a folder of npy files, or one npz made of such a folder at the end.

A file is written whole or not at all, and what is there is not made again.
"""
import json
import shutil
import zipfile
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np

from cbm_plugin.files import write_text, write_whole

from .source import Video

SETTINGS = 'extraction.json'


class Output:
    """The features of every video, in a folder (of the user's, or beside the npz to be).

    Args:
        out: ``NAME.npz``, or a folder.
        settings: what the values depend on. Those of an interrupted run must be the same.

    Raises:
        ValueError: the npz is there already, or the folder holds something else.
    """

    def __init__(self, out: Path, settings: Dict[str, str]) -> None:
        self.out = out
        self.is_npz = out.suffix == '.npz'
        self.folder = out.with_name(f'{out.name}.parts') if self.is_npz else out
        if self.is_npz and out.exists():
            raise ValueError(f'{out} is there already: remove it, or choose another name')
        note = self.folder / SETTINGS
        if not note.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise ValueError(f'{self.folder} is not empty and has no {SETTINGS}: choose a new '
                                 'folder')
            write_text(note, json.dumps(settings, indent=1))
        before = json.loads(note.read_text())
        other = sorted(key for key in settings if before.get(key) != settings[key])
        if other:
            raise ValueError(f'{self.folder} holds features made with another {", ".join(other)}: '
                             'remove it, or choose another name')

    def file(self, video: Video) -> Path:
        """The npy file of a video."""
        return self.folder / f'{video.name}.npy'

    def has(self, video: Video) -> bool:
        """Whether a video is done."""
        return self.file(video).is_file()

    def put(self, video: Video, features: np.ndarray) -> None:
        """Write the features of a video."""
        file = self.file(video)

        def save(path: Path) -> None:
            with open(path, 'wb') as stream:
                np.save(stream, features, allow_pickle=False)

        write_whole(file, save)

    def finish(self, videos: Sequence[Video]) -> List[Path]:
        """Write the lists, or pack the npz with its annotation. Returns what there is now."""
        done = [video for video in videos if self.has(video)]
        if self.is_npz:
            write_whole(self.out, lambda path: self._pack(path, done))
            shutil.rmtree(self.folder)
            return [self.out]
        lists = []
        for split in dict.fromkeys(video.split for video in done):
            lines = [f'{video.name} {video.label}\n' for video in done if video.split == split]
            lists.append(self.folder / f'{split}_list.txt')
            write_text(lists[-1], ''.join(lines))
        return [self.folder, *lists]

    def _pack(self, path: Path, done: Sequence[Video]) -> None:
        annotation = dict(video=np.array([video.name for video in done]),
                          label=np.array([video.label for video in done]),
                          split=np.array([video.split for video in done]))
        with zipfile.ZipFile(path, 'w') as archive:
            for video in done:
                archive.write(self.file(video), f'{video.name}.npy')
            for name, array in annotation.items():
                with archive.open(f'{name}.npy', 'w') as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)
