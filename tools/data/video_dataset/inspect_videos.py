"""Opening every video: how many frames, how long, or why not."""
import re
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Iterator, NamedTuple, Sequence

from cbm_plugin.progress import Progress

from .lists import ListError


class Video(NamedTuple):
    """What is known of a file. ``seconds`` is 0 for raw frames; ``fault`` is '' for a good one."""
    frames: int
    seconds: float
    fault: str


def inspect_video(root: str, path: str) -> Video:
    """Open a video with decord, and decode its first frame."""
    from cbm_plugin.video.reader import open_video
    try:
        reader = open_video(str(Path(root, path)))
        frames = len(reader)
        reader[0]
        rate = float(reader.get_avg_fps())
    except Exception as error:  # decord raises RuntimeError, DECORDError, OSError, ...
        return Video(0, 0, ' '.join(str(error).split())[:200] or type(error).__name__)
    return Video(frames, frames / rate if rate > 0 else 0.0, '')


def inspect_frames(root: str, path: str, template: str) -> Video:
    """Count the images of a video: ``template`` with the numbers 1, 2, ... without a gap."""
    prefix, suffix = re.split(r'\{[^}]*\}', template, maxsplit=1)
    names = {file.name for file in Path(root, path).iterdir()
             if file.name.startswith(prefix) and file.name.endswith(suffix)}
    if not names:
        return Video(0, 0, f'no images named like {template.format(1)}')
    lacking = next((n for n in range(1, len(names) + 1) if template.format(n) not in names), None)
    if lacking is not None:
        return Video(0, 0, f'{template.format(lacking)} is missing among {len(names)} images')
    return Video(len(names), 0, '')


def inspect_all(paths: Sequence[str], look: Callable[[str], Video], workers: int
                ) -> Dict[str, Video]:
    """Each path's video, with progress on stderr.

    Args:
        paths: relative to the root.
        look: a picklable function of one path.
        workers: processes; 0: this one.

    Raises:
        ListError: a damaged file crashed a process.
    """
    if workers == 0:
        return dict(zip(paths, with_progress(map(look, paths), len(paths))))
    done: Dict[str, Video] = {}
    try:
        with ProcessPoolExecutor(workers) as pool:
            for path, video in zip(paths, with_progress(pool.map(look, paths), len(paths))):
                done[path] = video
    except BrokenProcessPool:
        suspects = ', '.join(paths[len(done):len(done) + 2 * workers])
        raise ListError('the decoder crashed on one of these videos: '
                        f'{suspects}. Move the damaged one away') from None
    return done


def inspector(root: Path, template: str) -> Callable[[str], Video]:
    """The function for :func:`inspect_all`: of raw frames where there is a template."""
    if template:
        return partial(inspect_frames, str(root), template=template)
    return partial(inspect_video, str(root))


def with_progress(found: Iterator[Video], total: int) -> Iterator[Video]:
    """Pass items on, and say how far it is and how long it will take."""
    progress = Progress('videos opened', total)
    for number, item in enumerate(found, start=1):
        yield item
        progress.update(number)
