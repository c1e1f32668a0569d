"""The list files and the report: all of them whole, or none."""
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Dict, List, Sequence

from .checks import counts
from .inspect_videos import Video
from .lists import Lists, Split


def list_name(dataset: str, split: Split, kind: str) -> str:
    """The name of a list file: MMAction2's for its data sets, else ``train_list.txt``.

    Args:
        dataset: e.g. ``'ucf101'``.
        split: what is in it.
        kind: ``'videos'`` or ``'rawframes'``.
    """
    if dataset == 'folder':
        return f'{split.part}_list.txt' if kind == 'videos' else f'{split.part}_list_{kind}.txt'
    if split.number:
        return f'{dataset}_{split.part}_split_{split.number}_{kind}.txt'
    return f'{dataset}_{split.part}_list_{kind}.txt'


def list_text(split: Split, videos: Dict[str, Video], raw_frames: bool) -> str:
    """Lines ``path label``; of raw frames ``path frames label``."""
    lines = [f'{item.path} {videos[item.path].frames} {item.label}' if raw_frames
             else f'{item.path} {item.label}' for item in split.items]
    return ''.join(f'{line}\n' for line in lines)


def make_report(dataset: str, lists: Lists, videos: Dict[str, Video], warnings: Sequence[str],
                unlisted: int) -> dict:
    """What was found, as JSON."""
    return dict(
        dataset=dataset, classes=len(lists.classes),
        splits=[_of_split(split, lists.classes, videos) for split in lists.splits],
        missing=sorted(set(lists.missing)),
        undecodable={path: video.fault for path, video in sorted(videos.items()) if video.fault},
        files_in_no_list=unlisted, warnings=list(warnings))


def _of_split(split: Split, classes: Sequence[str], videos: Dict[str, Video]) -> dict:
    number = counts(split, classes)
    frames = [videos[item.path].frames for item in split.items]
    seconds = [round(videos[item.path].seconds, 2) for item in split.items]
    return dict(split=split.number, part=split.part, videos=len(split.items),
                videos_per_class=_spread(list(number.values())), frames=_spread(frames),
                seconds=_spread(seconds) if any(seconds) else None, classes=number)


def _spread(values: List[float]) -> dict:
    return dict(min=min(values), median=statistics.median(values), max=max(values))


def summary(report: dict) -> str:
    """A table of the splits, and what to know about them."""
    lines = [f"{report['dataset']}: {report['classes']} classes",
             f"{'list':>12} {'videos':>7} {'a class':>12} {'frames (min, median, max)':>28} "
             f"{'seconds':>22}"]
    for split in report['splits']:
        spread = {name: '{min:g} {median:g} {max:g}'.format(**split[name]) if split[name] else '-'
                  for name in ('videos_per_class', 'frames', 'seconds')}
        name = split['part'] + (f" {split['split']}" if split['split'] else '')
        lines.append(f"{name:>12} {split['videos']:>7} {spread['videos_per_class']:>12} "
                     f"{spread['frames']:>28} {spread['seconds']:>22}")
    for kind in ('missing', 'undecodable'):
        if report[kind]:
            lines.append(f'left out: {len(report[kind])} {kind} (named in the report)')
    return '\n'.join(lines + [f'warning: {warning}' for warning in report['warnings']])


def write_all(folder: Path, texts: Dict[str, str]) -> None:
    """Write several files of a folder: complete ones replace the old, or nothing changes."""
    folder.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix='.prepare_', dir=folder))
    try:
        for name, text in texts.items():
            (stage / name).write_text(text, encoding='utf-8')
        for name in texts:
            os.replace(stage / name, folder / name)
    finally:
        shutil.rmtree(stage)


def as_json(report: dict) -> str:
    """Indented, names as they are."""
    return json.dumps(report, indent=1, ensure_ascii=False) + '\n'
